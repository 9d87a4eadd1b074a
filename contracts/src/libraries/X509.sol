// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Der} from "./Der.sol";

/// @notice What a certificate says. Names are keccak256 over the whole DER `Name`.
struct Certificate {
    /// @dev keccak256 of the signed part.
    bytes32 id;
    /// @dev SHA-256 of the signed part: what the issuer signed.
    bytes32 digest;
    bytes32 r;
    bytes32 s;
    bytes32 issuer;
    bytes32 subject;
    /// @dev Serial number: RFC 5280 allows 20 octets.
    uint160 serial;
    bytes32 x;
    bytes32 y;
    /// @dev Seconds since the epoch.
    uint64 notBefore;
    uint64 notAfter;
    bool isCa;
    /// @dev Of a CA; 255 when there is no limit.
    uint8 pathLength;
    /// @dev First octet of the key usage bits; 0 when there is no such extension.
    uint8 keyUsage;
    /// @dev Content of the SGX extension; both 0 when there is none.
    uint256 sgxStart;
    uint256 sgxEnd;
}

/// @notice X.509 version 3 certificates with P-256 keys and ECDSA-SHA256 signatures; nothing else
///         is parsed.
/// @dev Establishes the form only. Whoever uses it checks signature, names, times and extensions.
///      Reference: RFC 5280, section 4; Intel SGX PCK Certificate and CRL Profile Specification,
///      section 1.3.
library X509 {
    uint8 internal constant DIGITAL_SIGNATURE = 0x80;
    uint8 internal constant KEY_CERT_SIGN = 0x04;
    uint8 internal constant CRL_SIGN = 0x02;
    uint8 internal constant NO_PATH_LIMIT = 255;

    /// @dev SEQUENCE { OBJECT IDENTIFIER 1.2.840.10045.4.3.2 }: ecdsa-with-SHA256.
    bytes32 internal constant ECDSA_SHA256 = bytes32(bytes12(0x300a06082a8648ce3d040302));
    /// @dev [0] { INTEGER 2 }: version 3.
    bytes32 private constant VERSION_3 = bytes32(bytes5(0xa003020102));
    /// @dev SEQUENCE { SEQUENCE { id-ecPublicKey, prime256v1 }, BIT STRING of 66, no unused bits,
    ///     uncompressed }.
    bytes32 private constant P256_KEY =
        bytes32(bytes27(0x3059301306072a8648ce3d020106082a8648ce3d03010703420004));
    /// @dev OBJECT IDENTIFIER 1.2.840.113741.1.13.1.
    uint256 private constant SGX_OID = 0x06092a864886f84d010d01;
    /// @dev OBJECT IDENTIFIER of 3 octets, 2.5.29.x without its last arc.
    uint256 private constant ID_CE = 0x0603551d;
    /// @dev BOOLEAN TRUE.
    uint256 private constant TRUE = 0x0101ff;
    uint8 private constant EXTENSIONS_TAG = 0xa3;
    uint256 private constant BASIC_CONSTRAINTS = 0x13;
    uint256 private constant KEY_USAGE = 0x0f;
    /// @dev Of the profile: these two, the key identifiers (14, 35) and CRL distribution points (31).
    uint256 private constant KNOWN =
        1 << BASIC_CONSTRAINTS | 1 << KEY_USAGE | 1 << 14 | 1 << 31 | 1 << 35;

    /// @notice An extension occurs twice.
    error X509_DuplicateExtension(uint256 offset);
    /// @notice An extension is critical and not known.
    error X509_UnknownCriticalExtension(uint256 offset);
    /// @notice An extension's criticality is not the DER of TRUE.
    error X509_Criticality(uint256 offset);
    /// @notice The key usage is not a bit string of one octet in DER.
    error X509_KeyUsage(uint256 offset);
    /// @notice The signature bit string has unused bits.
    error X509_SignatureBits(uint256 offset);

    /// @notice Parse a certificate to its last byte.
    function parse(bytes memory der) internal view returns (Certificate memory c) {
        (uint256 start, uint256 end) = Der.expect(der, 0, der.length, Der.SEQUENCE);
        Der.finish(end, der.length);
        (uint256 signed, uint256 signedEnd) = Der.expect(der, start, end, Der.SEQUENCE);
        c.id = Der.keccak(der, start, signedEnd);
        c.digest = Der.sha(der, start, signedEnd);
        (c.r, c.s) = signature(der, signedEnd, end);
        _signedPart(c, der, signed, signedEnd);
    }

    /// @notice Algorithm (ECDSA with SHA-256) and value of a signature, up to the end.
    function signature(bytes memory der, uint256 offset, uint256 end)
        internal
        pure
        returns (bytes32, bytes32)
    {
        offset = Der.constant_(der, offset, end, ECDSA_SHA256, 12);
        (uint256 start, uint256 next) = Der.expect(der, offset, end, Der.BIT_STRING);
        Der.finish(next, end);
        require(next > start && Der.word(der, start)[0] == 0, X509_SignatureBits(offset));
        (start, next) = Der.expect(der, start + 1, end, Der.SEQUENCE);
        Der.finish(next, end);
        uint256 r;
        uint256 s;
        (r, offset) = Der.integer(der, start, end, 32);
        (s, offset) = Der.integer(der, offset, end, 32);
        Der.finish(offset, end);
        return (bytes32(r), bytes32(s));
    }

    /// @notice One extension.
    /// @return oid The 32 bytes from its OBJECT IDENTIFIER on; what follows that is arbitrary.
    /// @return isCritical Whether who does not know it must refuse.
    /// @return value Position of its content.
    /// @return valueEnd Position after its content.
    /// @return next Position after it.
    function extension(bytes memory der, uint256 offset, uint256 end)
        internal
        pure
        returns (bytes32 oid, bool isCritical, uint256 value, uint256 valueEnd, uint256 next)
    {
        (offset, next) = Der.expect(der, offset, end, Der.SEQUENCE);
        oid = Der.word(der, offset);
        (, offset) = Der.expect(der, offset, next, Der.OBJECT_IDENTIFIER);
        uint256 head = uint256(Der.word(der, offset));
        isCritical = head >> 248 == Der.BOOLEAN && offset < next;
        if (isCritical) {
            require(head >> 232 == TRUE, X509_Criticality(offset));
            unchecked {
                offset += 3;
            }
        }
        (value, valueEnd) = Der.expect(der, offset, next, Der.OCTET_STRING);
        Der.finish(valueEnd, next);
    }

    /// @notice keccak256 of a whole DER `Name`.
    function name(bytes memory der, uint256 offset, uint256 end)
        internal
        pure
        returns (bytes32 hash, uint256 next)
    {
        (, next) = Der.expect(der, offset, end, Der.SEQUENCE);
        hash = Der.keccak(der, offset, next);
    }

    function _signedPart(Certificate memory c, bytes memory der, uint256 offset, uint256 end)
        private
        pure
    {
        offset = Der.constant_(der, offset, end, VERSION_3, 5);
        uint256 serial;
        (serial, offset) = Der.integer(der, offset, end, 20);
        // forge-lint: disable-next-line(unsafe-typecast) `integer` allows 20 bytes
        c.serial = uint160(serial);
        offset = Der.constant_(der, offset, end, ECDSA_SHA256, 12);
        (c.issuer, offset) = name(der, offset, end);
        offset = _validity(c, der, offset, end);
        (c.subject, offset) = name(der, offset, end);
        offset = Der.constant_(der, offset, end, P256_KEY, 27);
        (c.x, c.y) = (Der.word(der, offset), Der.word(der, offset + 32));
        offset += 64;
        require(offset <= end, Der.Der_Truncated(end, offset));
        (uint256 start, uint256 next) = Der.expect(der, offset, end, EXTENSIONS_TAG);
        Der.finish(next, end);
        (start, next) = Der.expect(der, start, end, Der.SEQUENCE);
        Der.finish(next, end);
        uint256 seen;
        while (start < end) (seen, start) = _extension(c, der, start, end, seen);
    }

    function _validity(Certificate memory c, bytes memory der, uint256 offset, uint256 end)
        private
        pure
        returns (uint256 next)
    {
        (offset, next) = Der.expect(der, offset, end, Der.SEQUENCE);
        (c.notBefore, offset) = Der.time(der, offset, next);
        (c.notAfter, offset) = Der.time(der, offset, next);
        Der.finish(offset, next);
    }

    /// @param seen One bit for each known extension that has occurred.
    function _extension(
        Certificate memory c,
        bytes memory der,
        uint256 offset,
        uint256 end,
        uint256 seen
    ) private pure returns (uint256, uint256 next) {
        bytes32 oid;
        bool isCritical;
        uint256 value;
        uint256 valueEnd;
        (oid, isCritical, value, valueEnd, next) = extension(der, offset, end);
        uint256 bit = _kind(oid);
        if (bit == 0) {
            require(!isCritical, X509_UnknownCriticalExtension(offset));
            return (seen, next);
        }
        require(seen & bit == 0, X509_DuplicateExtension(offset));
        if (bit == 1 << BASIC_CONSTRAINTS) _basicConstraints(c, der, value, valueEnd);
        if (bit == 1 << KEY_USAGE) c.keyUsage = _keyUsage(der, value, valueEnd);
        if (bit == 1) (c.sgxStart, c.sgxEnd) = (value, valueEnd);
        return (seen | bit, next);
    }

    /// @dev The bit of a known extension: 1 for SGX, 1 << n for 2.5.29.n of the profile, else 0.
    /// @param oid The element and what follows it.
    function _kind(bytes32 oid) private pure returns (uint256) {
        if (uint256(oid) >> 224 == ID_CE) return KNOWN & (1 << uint8(oid[4]));
        return uint256(oid) >> 168 == SGX_OID ? 1 : 0;
    }

    function _basicConstraints(Certificate memory c, bytes memory der, uint256 offset, uint256 end)
        private
        pure
    {
        uint256 next;
        (offset, next) = Der.expect(der, offset, end, Der.SEQUENCE);
        Der.finish(next, end);
        if (offset == end) return;
        // DER leaves FALSE out.
        offset = Der.constant_(der, offset, end, bytes32(TRUE << 232), 3);
        c.isCa = true;
        c.pathLength = NO_PATH_LIMIT;
        if (offset == end) return;
        uint256 limit;
        (limit, offset) = Der.integer(der, offset, end, 1);
        Der.finish(offset, end);
        // forge-lint: disable-next-line(unsafe-typecast) `integer` allows one byte
        c.pathLength = uint8(limit);
    }

    function _keyUsage(bytes memory der, uint256 offset, uint256 end) private pure returns (uint8) {
        (uint256 start, uint256 next) = Der.expect(der, offset, end, Der.BIT_STRING);
        Der.finish(next, end);
        require(next - start == 2, X509_KeyUsage(offset));
        bytes32 octets = Der.word(der, start);
        uint8 unused = uint8(octets[0]);
        uint8 bits = uint8(octets[1]);
        require(unused < 8 && bits & ((1 << unused) - 1) == 0, X509_KeyUsage(offset));
        return bits;
    }
}
