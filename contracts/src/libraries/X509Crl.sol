// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Der} from "./Der.sol";
import {TcbLevels} from "./TcbLevels.sol";
import {X509} from "./X509.sol";

/// @notice What a certificate revocation list says.
struct Crl {
    /// @dev SHA-256 of the signed part: what the issuer signed.
    bytes32 digest;
    bytes32 r;
    bytes32 s;
    /// @dev keccak256 of the issuer's DER `Name`.
    bytes32 issuer;
    /// @dev Seconds since the epoch.
    uint40 thisUpdate;
    uint40 nextUpdate;
    /// @dev CRL number.
    uint32 number;
    /// @dev Serial numbers of 20 bytes, in the list's order.
    bytes serials;
}

/// @notice X.509 revocation lists version 2 with ECDSA-SHA256 signatures, complete and direct; and
///         the proof that a certificate is not on one.
/// @dev Establishes the form only. Reference: RFC 5280, section 5; Intel SGX PCK Certificate and
///      CRL Profile Specification, section 1.4.
library X509Crl {
    /// @notice Bytes of a serial number in the table.
    uint256 internal constant SERIAL = 20;

    /// @dev INTEGER 1: version 2.
    bytes32 private constant VERSION_2 = bytes32(bytes3(0x020101));
    /// @dev OBJECT IDENTIFIER 2.5.29.20.
    bytes32 private constant CRL_NUMBER = bytes32(bytes5(0x0603551d14));
    /// @dev The extensions of most entries: a reason code, less its last byte.
    uint256 private constant REASON = 0x300c300a0603551d1504030a01;
    uint8 private constant EXTENSIONS_TAG = 0xa0;
    uint256 private constant UTC_SIZE = 15;

    /// @notice An extension is critical; none that the profile has is.
    error X509Crl_CriticalExtension(uint256 offset);
    /// @notice There is none or more than one CRL number.
    error X509Crl_Number(uint256 seen, uint256 wanted);
    /// @notice The list of revoked certificates is there and empty.
    error X509Crl_EmptyList(uint256 offset);
    /// @notice The serials shown are not those committed to.
    error X509Crl_Commitment(bytes16 seen, bytes16 wanted);
    /// @notice The certificate is revoked.
    error X509Crl_Revoked(uint160 serial);

    /// @notice Parse a list to its last byte.
    function parse(bytes memory der) internal view returns (Crl memory crl) {
        (uint256 start, uint256 end) = Der.expect(der, 0, der.length, Der.SEQUENCE);
        Der.finish(end, der.length);
        (uint256 signed, uint256 signedEnd) = Der.expect(der, start, end, Der.SEQUENCE);
        crl.digest = Der.sha(der, start, signedEnd);
        (crl.r, crl.s) = X509.signature(der, signedEnd, end);
        _signedPart(crl, der, signed, signedEnd);
    }

    /// @notice What commits to a list.
    function digest(bytes memory serials) internal pure returns (bytes16) {
        return bytes16(keccak256(serials));
    }

    /// @notice Refuse a certificate that a list names.
    /// @param committed What `IIntelCollateral` has of the list.
    /// @param serials The whole list, as in the event.
    function requireNotListed(bytes16 committed, bytes memory serials, uint160 serial)
        internal
        pure
    {
        bytes16 seen = digest(serials);
        require(seen == committed, X509Crl_Commitment(seen, committed));
        require(!_has(serials, serial), X509Crl_Revoked(serial));
    }

    /// @notice Whether a list, shown in whole, names a certificate.
    function isListed(bytes16 committed, bytes memory serials, uint160 serial)
        internal
        pure
        returns (bool)
    {
        bytes16 seen = digest(serials);
        require(seen == committed, X509Crl_Commitment(seen, committed));
        return _has(serials, serial);
    }

    function _has(bytes memory serials, uint160 serial) private pure returns (bool isThere) {
        assembly ("memory-safe") {
            let entry := add(serials, 0x20)
            for { let end := add(entry, mload(serials)) } lt(entry, end) { entry := add(entry, 20) }
            {
                isThere := or(isThere, eq(shr(96, mload(entry)), serial))
            }
        }
    }

    function _signedPart(Crl memory crl, bytes memory der, uint256 offset, uint256 end)
        private
        pure
    {
        uint64 time;
        offset = Der.constant_(der, offset, end, VERSION_2, 3);
        offset = Der.constant_(der, offset, end, X509.ECDSA_SHA256, 12);
        (crl.issuer, offset) = X509.name(der, offset, end);
        bytes32 date = Der.left(Der.word(der, offset), UTC_SIZE);
        if (uint8(date[0]) != Der.UTC_TIME) date = 0;
        (time, offset) = Der.time(der, offset, end);
        // forge-lint: disable-next-line(unsafe-typecast) years have four digits: below 2^38
        crl.thisUpdate = uint40(time);
        (time, offset) = Der.time(der, offset, end);
        // forge-lint: disable-next-line(unsafe-typecast) years have four digits: below 2^38
        crl.nextUpdate = uint40(time);
        // RFC 5280 leaves an empty list out.
        if (uint8(Der.word(der, offset)[0]) == Der.SEQUENCE) {
            offset = _entries(crl, der, offset, end, date);
        }
        uint256 next;
        (offset, next) = Der.expect(der, offset, end, EXTENSIONS_TAG);
        Der.finish(next, end);
        (offset, next) = Der.expect(der, offset, end, Der.SEQUENCE);
        Der.finish(next, end);
        uint256 numbers;
        while (offset < end) (numbers, offset) = _extension(crl, der, offset, end, numbers);
        require(numbers == 1, X509Crl_Number(numbers, 1));
    }

    /// @param date The time that most entries have, as an element of 15 bytes that was checked; 0
    ///        when it is not such a one.
    function _entries(Crl memory crl, bytes memory der, uint256 offset, uint256 end, bytes32 date)
        private
        pure
        returns (uint256 next)
    {
        (offset, next) = Der.expect(der, offset, end, Der.SEQUENCE);
        require(offset < next, X509Crl_EmptyList(offset));
        // An entry has more bytes than its serial number in the table.
        bytes memory serials = new bytes(next - offset + 32);
        uint256 length = 0;
        // No 28 bytes are this.
        uint256 tail = type(uint256).max;
        if (date != 0) tail = (uint256(date) >> 136 << 104) | REASON;
        while (offset < next) {
            uint256 serial;
            uint256 after_;
            (serial, after_) = _plainEntry(der, offset, tail);
            if (after_ == 0) (serial, after_) = _entry(der, offset, next);
            require(after_ <= next, Der.Der_Truncated(next, after_));
            TcbLevels.put(serials, length, bytes32(serial << 96));
            (offset, length) = (after_, length + SERIAL);
        }
        TcbLevels.setLength(serials, length);
        crl.serials = serials;
    }

    /// @dev An entry as nearly all are: a serial number of 20 octets, the list's own date, a reason.
    /// @param tail Date and reason, 28 bytes.
    /// @return serial Of the entry.
    /// @return next Position after it; 0 when it is another, which need not be wrong.
    function _plainEntry(bytes memory der, uint256 offset, uint256 tail)
        private
        pure
        returns (uint256 serial, uint256 next)
    {
        unchecked {
            uint256 head = uint256(Der.word(der, offset));
            if (head >> 208 == 0x303402150080 | (head >> 208 & 0x7f)) {
                // A zero octet before it, because its highest bit is set.
                (serial, next) = (head << 40 >> 96, offset + 25);
            } else if (head >> 224 == 0x30330214 && ((head << 32) >> 248) - 1 < 0x7f) {
                (serial, next) = (head << 32 >> 96, offset + 24);
            } else {
                return (0, 0);
            }
            if (uint256(Der.word(der, next)) >> 32 != tail) return (0, 0);
            next += 29;
        }
    }

    function _entry(bytes memory der, uint256 offset, uint256 end)
        private
        pure
        returns (uint256 serial, uint256 next)
    {
        (offset, next) = Der.expect(der, offset, end, Der.SEQUENCE);
        (serial, offset) = Der.integer(der, offset, next, SERIAL);
        (, offset) = Der.time(der, offset, next);
        if (offset < next) _entryExtensions(der, offset, next);
    }

    function _entryExtensions(bytes memory der, uint256 offset, uint256 end) private pure {
        uint256 next;
        (offset, next) = Der.expect(der, offset, end, Der.SEQUENCE);
        Der.finish(next, end);
        while (offset < end) {
            bool isCritical;
            (, isCritical,,, next) = X509.extension(der, offset, end);
            require(!isCritical, X509Crl_CriticalExtension(offset));
            offset = next;
        }
    }

    /// @param numbers How many CRL numbers there were.
    function _extension(
        Crl memory crl,
        bytes memory der,
        uint256 offset,
        uint256 end,
        uint256 numbers
    ) private pure returns (uint256, uint256 next) {
        bytes32 oid;
        bool isCritical;
        uint256 value;
        uint256 valueEnd;
        (oid, isCritical, value, valueEnd, next) = X509.extension(der, offset, end);
        require(!isCritical, X509Crl_CriticalExtension(offset));
        if (Der.left(oid, 5) != CRL_NUMBER) return (numbers, next);
        uint256 number;
        (number, value) = Der.integer(der, value, valueEnd, 4);
        Der.finish(value, valueEnd);
        // forge-lint: disable-next-line(unsafe-typecast) `integer` allows four bytes
        crl.number = uint32(number);
        return (numbers + 1, next);
    }
}
