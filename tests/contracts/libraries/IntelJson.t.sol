// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IntelJson} from "contracts/libraries/IntelJson.sol";
import {Test} from "../Vm.sol";

/// @notice The library behind external calls, so that reverts can be expected.
contract IntelJsonCaller {
    function token(bytes memory json, bytes32 wanted, uint256 size)
        external
        pure
        returns (uint256)
    {
        return IntelJson.token(json, 0, wanted, size);
    }

    function number(bytes memory json, uint256 max) external pure returns (uint256, uint256) {
        return IntelJson.number(json, 0, max);
    }

    function textEnd(bytes memory json) external pure returns (uint256) {
        return IntelJson.textEnd(json, 0);
    }

    function texts(bytes memory json) external pure returns (uint256) {
        return IntelJson.texts(json, 0);
    }

    function hex_(bytes memory json, uint256 digits) external pure returns (uint256, uint256) {
        return IntelJson.hex_(json, 0, digits);
    }

    function time(bytes memory json) external pure returns (uint40, uint256) {
        return IntelJson.time(json, 0);
    }

    function isMore(bytes memory json) external pure returns (bool, uint256) {
        return IntelJson.isMore(json, 0);
    }

    function finish(bytes memory json, uint256 offset) external pure {
        IntelJson.finish(json, offset);
    }
}

contract IntelJsonTest is Test {
    IntelJsonCaller private json = new IntelJsonCaller();

    function test_token_TakesTheBytesThatMustStandThere() external view {
        assertEq(json.token("abcdef", "abc", 3), 3, "next");
    }

    function test_token_RevertWhen_AnyByteDiffers() external {
        bytes memory wanted = "\",\"version\":3,\"issueDate\":\"";
        for (uint256 i; i < wanted.length; ++i) {
            bytes memory seen = bytes.concat(wanted);
            seen[i] ^= 0x01;
            bytes memory reason = abi.encodeWithSelector(
                IntelJson.IntelJson_Token.selector, 0, bytes32(seen), bytes32(wanted)
            );
            vm.expectRevert(reason);
            json.token(seen, bytes32(wanted), wanted.length);
        }
    }

    function test_number_ReadsUpToTheMost() external view {
        string[5] memory written = ["0", "7", "10", "255", "65535"];
        uint256[5] memory wanted = [uint256(0), 7, 10, 255, 65_535];
        for (uint256 i; i < written.length; ++i) {
            (uint256 value, uint256 next) =
                json.number(bytes.concat(bytes(written[i]), "}"), 65_535);
            assertEq(value, wanted[i], written[i]);
            assertEq(next, bytes(written[i]).length, "next");
        }
    }

    function test_number_RevertWhen_NotInItsShortestFormOrTooLarge() external {
        string[11] memory ill = [
            "", "}", "-1", "+1", "00", "01", "256", "a", " 1", "\"1\"", "99999999999999999999999999"
        ];
        for (uint256 i; i < ill.length; ++i) {
            vm.expectPartialRevert(IntelJson.IntelJson_Number.selector);
            json.number(bytes(ill[i]), 255);
        }
    }

    function test_number_RevertWhen_DigitsHaveNoEnd() external {
        vm.expectPartialRevert(IntelJson.IntelJson_Number.selector);
        json.number("1111111111111111111111111111111111111111111111111111111111111111", 255);
    }

    function test_textEnd_FindsTheFirstQuote() external view {
        bytes memory text;
        for (uint256 length; length < 70; ++length) {
            assertEq(json.textEnd(bytes.concat(text, "\"x\"")), length, "end");
            text = bytes.concat(text, bytes1(uint8(length % 2 == 0 ? 0x21 : 0x7e)));
        }
    }

    function test_textEnd_RevertWhen_AByteMayNotBeInAText() external {
        for (uint256 byte_; byte_ < 256; ++byte_) {
            bool isPlain = byte_ > 0x1f && byte_ < 0x80 && byte_ != 0x5c;
            if (isPlain) continue;
            for (uint256 before; before < 40; before += 13) {
                bytes memory text =
                    bytes.concat(new bytes(0), _spaces(before), bytes1(uint8(byte_)), "\"");
                vm.expectRevert(abi.encodeWithSelector(IntelJson.IntelJson_Text.selector, before));
                json.textEnd(text);
            }
        }
    }

    function test_textEnd_RevertWhen_TheDocumentEndsFirst() external {
        vm.expectPartialRevert(IntelJson.IntelJson_Text.selector);
        json.textEnd("no end");
    }

    function test_texts_TakesAList() external view {
        assertEq(json.texts("\"a\",\"\",\"INTEL-SA-1\"]}"), 20, "next");
        assertEq(json.texts("\"\"]"), 3, "next");
    }

    function test_texts_RevertWhen_TheListIsIll() external {
        string[4] memory ill = ["]", "a\"]", "\"a\",]", "\"a\" ,\"b\"]"];
        bytes4[4] memory wanted = [
            IntelJson.IntelJson_Text.selector,
            IntelJson.IntelJson_Text.selector,
            IntelJson.IntelJson_Text.selector,
            IntelJson.IntelJson_Token.selector
        ];
        for (uint256 i; i < ill.length; ++i) {
            vm.expectPartialRevert(wanted[i]);
            json.texts(bytes(ill[i]));
        }
    }

    function test_hex_ReadsEitherCase() external view {
        (uint256 value, uint256 next) = json.hex_("00a0Ff9b\"", 8);
        assertEq(value, 0xa0ff9b, "value");
        assertEq(next, 8, "next");
        (value,) = json.hex_("0123456789abcdefFEDCBA9876543210", 32);
        assertEq(value, 0x0123456789abcdeffedcba9876543210, "sixteen bytes");
        (value,) = json.hex_("FF", 2);
        assertEq(value, 0xff, "one byte");
    }

    /// @dev Every byte at every place of an FMSPC.
    function test_hex_RevertWhen_ADigitIsNone() external {
        for (uint256 byte_; byte_ < 256; ++byte_) {
            bool isDigit = (byte_ > 0x2f && byte_ < 0x3a) || (byte_ > 0x40 && byte_ < 0x47)
                || (byte_ > 0x60 && byte_ < 0x67);
            for (uint256 i; i < 12; i += 11) {
                bytes memory digits = "0123456789ab";
                digits[i] = bytes1(uint8(byte_));
                if (!isDigit) {
                    vm.expectRevert(abi.encodeWithSelector(IntelJson.IntelJson_Hex.selector, 0, 12));
                }
                json.hex_(digits, 12);
            }
        }
    }

    function testFuzz_hex_ReadsWhatWasWritten(uint128 value) external view {
        bytes memory digits = "0123456789abcdef";
        bytes memory text = new bytes(32);
        for (uint256 i; i < 32; ++i) {
            text[i] = digits[(value >> (4 * (31 - i))) & 15];
        }
        (uint256 read,) = json.hex_(text, 32);
        assertEq(read, value, "value");
    }

    function test_time_ReadsSecondsSinceTheEpoch() external view {
        _requireTime("1970-01-01T00:00:00Z", 0);
        _requireTime("2000-02-29T23:59:59Z", 951_868_799);
        _requireTime("2025-08-15T05:08:18Z", 1_755_234_498);
        _requireTime("2026-03-20T10:58:51Z", 1_774_004_331);
        _requireTime("9999-12-31T23:59:59Z", 253_402_300_799);
    }

    function test_time_RevertWhen_ItIsNone() external {
        string[14] memory ill = [
            "1969-12-31T23:59:59Z",
            "2025-00-15T05:08:18Z",
            "2025-13-15T05:08:18Z",
            "2025-02-29T05:08:18Z",
            "1900-02-29T05:08:18Z",
            "2025-04-31T05:08:18Z",
            "2025-08-00T05:08:18Z",
            "2025-08-15T24:08:18Z",
            "2025-08-15T05:60:18Z",
            "2025-08-15T05:08:60Z",
            "2025-08-15 05:08:18Z",
            "2025-08-15T05:08:18z",
            "2025/08/15T05:08:18Z",
            "2025-08-15T05:08:1"
        ];
        for (uint256 i; i < ill.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IntelJson.IntelJson_Time.selector, 0));
            json.time(bytes(ill[i]));
        }
    }

    /// @dev In each place what is next to a digit, and what only the highest bit tells apart.
    function test_time_RevertWhen_AByteIsNoDigitOrSeparator() external {
        bytes memory ills = hex"002f3a41545a7fadb0b9daff";
        bytes memory form = "2025-08-15T05:08:18Z";
        for (uint256 i; i < 20; ++i) {
            for (uint256 j; j < ills.length; ++j) {
                if (ills[j] == form[i]) continue;
                bytes memory ill = bytes.concat(form);
                ill[i] = ills[j];
                vm.expectRevert(abi.encodeWithSelector(IntelJson.IntelJson_Time.selector, 0));
                json.time(ill);
            }
        }
    }

    function test_isMore_IsACommaOrTheBracket() external {
        (bool more, uint256 next) = json.isMore(",{");
        assertTrue(more && next == 1, "comma");
        (more, next) = json.isMore("]}");
        assertTrue(!more && next == 1, "bracket");
        vm.expectPartialRevert(IntelJson.IntelJson_Token.selector);
        json.isMore("}");
    }

    function test_finish_RevertWhen_TheEndIsElsewhere() external {
        json.finish("{}", 2);
        for (uint256 offset; offset < 5; ++offset) {
            if (offset == 2) continue;
            vm.expectRevert(
                abi.encodeWithSelector(IntelJson.IntelJson_TrailingBytes.selector, offset, 2)
            );
            json.finish("{}", offset);
        }
    }

    function _requireTime(bytes memory text, uint256 wanted) private view {
        (uint256 seconds_, uint256 next) = json.time(text);
        assertEq(seconds_, wanted, string(text));
        assertEq(next, 20, "next");
    }

    function _spaces(uint256 count) private pure returns (bytes memory spaces) {
        spaces = new bytes(count);
        for (uint256 i; i < count; ++i) {
            spaces[i] = " ";
        }
    }
}
