import pytest

from enclave.domain.errors import SourceMalformed, SourceUnavailable
from enclave.sources.failures import check_status, explain
from enclave.sources.strict_json import decode

ALIKE = SourceMalformed("as before")


@pytest.mark.parametrize("status", [201, 202, 204, 408, 418, 425, 429, 500, 502, 503, 520, 599])
def test_these_statuses_are_worth_another_try(status: int) -> None:
    with pytest.raises(SourceUnavailable, match=f"HTTP {status}: .*; ask again later"):
        check_status(status)


@pytest.mark.parametrize("status", [0, 101, 301, 302, 304, 307, 400, 401, 403, 404, 410, 422, 451])
def test_other_statuses_will_stay(status: int) -> None:
    with pytest.raises(SourceMalformed, match=f"HTTP {status}: .*; asking again unchanged"):
        check_status(status)


def test_success_passes() -> None:
    check_status(200)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"msg": "Too many visits. Exceeded the API Rate Limit."}', "rate limit"),
        (b'{"Note": "Our standard API call frequency is 5 calls per minute"}', "rate limit"),
        (b'{"Information": "our standard API rate limit is 25 requests per day"}', "rate limit"),
        (b'{"error": ["EAPI:Rate limit exceeded"]}', "rate limit"),
        (b'{"code": 429, "message": "You have run out of API credits"}', "rate limit"),
        (b'{"status": {"error_code": 429}}', "rate limit"),
        (b'{"error": {"code": 104, "type": "monthly_limit_reached"}}', "rate limit"),
        (b'["error", 11010, "ratelimit: error"]', "rate limit"),
        (b'{"retMsg": "Service is under maintenance"}', "out of service"),
        (b'{"errors": [{"text": "Temporarily unavailable"}]}', "out of service"),
        (b'{"code": "503"}', "out of service"),
        (b'{"status": 500, "message": ""}', "out of service"),
        (b'{"err-msg": "Gateway timeout"}', "out of service"),
        (b'{"detail": "Internal server error"}', "out of service"),
    ],
)
def test_an_explanation_that_passes_is_unavailable(body: bytes, text: str) -> None:
    error = explain(decode(body), ALIKE)
    assert isinstance(error, SourceUnavailable)
    assert text in str(error)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"msg": "Invalid symbol."}', "unknown symbol"),
        (b'{"Error Message": "Invalid API call. Please retry or visit us"}', "unknown symbol"),
        (b'{"message": "Instrument ID does not exist"}', "unknown symbol"),
        (b'{"error": {"info": "You have not supplied a valid key"}}', "reports an error"),
        (b'{"message": "Service unavailable from a restricted location"}', "this place"),
        (b'{"reason": "Forbidden"}', "reports an error"),
        (b'{"error": "E17"}', "reports an error"),
        (b'{"Message": "no market", "RateLimit": {}, "Type": 2}', "reports an error"),
    ],
)
def test_an_explanation_that_lasts_is_malformed(body: bytes, text: str) -> None:
    error = explain(decode(body), SourceUnavailable("as before"))
    assert isinstance(error, SourceMalformed)
    assert text in str(error)


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"[]",
        b"null",
        b'{"code": "200000", "data": null}',
        b'{"code": 0, "msg": "", "data": []}',
        b'{"retCode": 0, "retMsg": "OK"}',
        b'{"msg": "success"}',
        b'{"error": null, "errors": [], "message": null, "success": false}',
        b'{"error": false}',
        b'{"code": "-1121"}',
        b'{"code": 12345}',
        b'{"code": 600}',
        b'{"status": "5500"}',
        '{"code": "５００"}'.encode(),
        b'{"name": "rate limit"}',
        b'[{"name": "rate limit"}]',
        b'{"a": {"b": {"c": {"d": {"error": "rate limit"}}}}}',
        b'{"error": [[[[["rate limit"]]]]]}',
    ],
)
def test_a_document_that_explains_nothing_keeps_the_error(body: bytes) -> None:
    assert explain(decode(body), ALIKE) is ALIKE


def test_the_venues_text_is_not_repeated() -> None:
    error = explain(decode(b'{"Note": "your key S3CRET has a rate limit"}'), ALIKE)
    assert "S3CRET" not in str(error)


def test_the_work_of_explaining_is_bounded() -> None:
    rows = b",".join(b'"row"' for _ in range(10_000))
    long = b'{"message": "' + b"a" * 1_000 + b' rate limit"}'
    assert "reports an error" in str(explain(decode(b'{"error": [' + rows + b"]}"), ALIKE))
    assert "reports an error" in str(explain(decode(long), ALIKE))
    many = b",".join(b'"error%d": "row"' % number for number in range(100))
    limited = b"{" + many + b', "message": "rate limit"}'
    assert "reports an error" in str(explain(decode(limited), ALIKE))


@pytest.mark.parametrize(("before", "is_seen"), [(1_023, True), (1_024, False)])
def test_only_the_first_members_of_an_object_explain(before: int, is_seen: bool) -> None:
    many = b"".join(b'"pair%d": "1", ' % number for number in range(before))
    error = explain(decode(b"{" + many + b'"message": "rate limit"}'), ALIKE)
    assert (error is not ALIKE) == is_seen
