// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Der} from "contracts/libraries/Der.sol";
import {Certificate, X509} from "contracts/libraries/X509.sol";
import {DcapFixture} from "../DcapFixture.sol";

/// @notice The library behind an external call, so that reverts can be expected.
contract X509Caller {
    function parse(bytes memory der) external view returns (Certificate memory) {
        return X509.parse(der);
    }
}

contract X509Test is DcapFixture {
    X509Caller private x509;
    bytes private ca;
    bytes private pck;

    function setUp() external {
        load();
        x509 = new X509Caller();
        ca = bytesAt(".ca.certificate");
        pck = bytesAt(".pck.certificate");
    }

    function test_parse_ReadsACa() external view {
        Certificate memory c = x509.parse(ca);
        assertEq(c.id, wordAt(".ca.id"), "id");
        assertEq(c.x, wordAt(".ca.x"), "x");
        assertEq(c.y, wordAt(".ca.y"), "y");
        assertEq(c.subject, wordAt(".ca.nameHash"), "subject");
        assertEq(c.issuer, wordAt(".root.nameHash"), "issuer");
        assertEq(c.notAfter, numberAt(".ca.notAfter"), "end");
        assertTrue(c.isCa && c.pathLength == 0, "CA of leaves");
        assertEq(c.keyUsage, 0x06, "certificate and CRL signing");
        assertEq(c.sgxEnd, 0, "no SGX extension");
    }

    function test_parse_ReadsALeaf() external view {
        Certificate memory c = x509.parse(pck);
        assertEq(c.id, wordAt(".pck.id"), "id");
        assertEq(c.issuer, wordAt(".ca.nameHash"), "issuer");
        assertEq(c.subject, wordAt(".pck.nameHash"), "subject");
        assertTrue(!c.isCa, "no CA");
        assertEq(c.keyUsage, 0xc0, "signing");
        assertEq(Der.keccak(pck, c.sgxStart, c.sgxEnd), keccak256(bytesAt(".sgxExtension")), "SGX");
    }

    function test_parse_ReadsALaterCentury() external view {
        Certificate memory c = x509.parse(bytesAt(".acceptedCa.outlivesRoot"));
        assertTrue(c.notAfter > numberAt(".root.notAfter"), "GeneralizedTime");
    }

    function test_parse_RevertWhen_BytesFollow() external {
        refuse(bytes.concat(ca, hex"00"), Der.Der_TrailingBytes.selector);
    }

    function test_parse_RevertWhen_ItIsCut() external {
        for (uint256 length; length < ca.length; length += 13) {
            bytes memory shorter = new bytes(length);
            for (uint256 i; i < length; ++i) {
                shorter[i] = ca[i];
            }
            refuse(shorter, Der.Der_Truncated.selector);
        }
    }

    function test_parse_RevertWhen_VersionIsNotThree() external {
        refuseReplaced(ca, hex"a003020102", hex"a003020101", Der.Der_Constant.selector);
    }

    function test_parse_RevertWhen_AlgorithmIsAnother() external {
        // ecdsa-with-SHA384 inside the signed part.
        refuseReplaced(ca, hex"2a8648ce3d040302", hex"2a8648ce3d040303", Der.Der_Constant.selector);
    }

    function test_parse_RevertWhen_KeyIsNotUncompressedP256() external {
        refuseReplaced(ca, hex"2a8648ce3d030107", hex"2a8648ce3d030106", Der.Der_Constant.selector);
        refuseReplaced(ca, hex"03420004", hex"03420006", Der.Der_Constant.selector);
    }

    function test_parse_RevertWhen_BasicConstraintsAreNotDer() external {
        // TRUE is 0xff in DER.
        refuseReplaced(ca, hex"30060101ff020100", hex"3006010101020100", Der.Der_Constant.selector);
        // A path length without the CA flag.
        refuseReplaced(ca, hex"30060101ff020100", hex"3006020100020100", Der.Der_Constant.selector);
        // A negative path length.
        refuseReplaced(ca, hex"30060101ff020100", hex"30060101ff0201ff", Der.Der_Integer.selector);
    }

    function test_parse_RevertWhen_CriticalityIsNotDer() external {
        refuseReplaced(ca, hex"551d130101ff", hex"551d13010101", X509.X509_Criticality.selector);
        refuseReplaced(ca, hex"551d130101ff", hex"551d13010100", X509.X509_Criticality.selector);
    }

    function test_parse_RevertWhen_KeyUsageIsNotDer() external {
        // Keycert and CRL signing, one unused bit: 03 02 01 06. A set bit may not be unused.
        refuseReplaced(ca, hex"040403020106", hex"040403020306", X509.X509_KeyUsage.selector);
        refuseReplaced(ca, hex"040403020106", hex"040403020806", X509.X509_KeyUsage.selector);
        refuseReplaced(ca, hex"040403020106", hex"0404030106ff", Der.Der_TrailingBytes.selector);
        // More than one byte of bits, in the room that the criticality had.
        refuseReplaced(
            ca,
            hex"0603551d0f0101ff040403020106",
            hex"0603551d0f040703050100000006",
            X509.X509_KeyUsage.selector
        );
    }

    function test_parse_RevertWhen_AnExtensionOccursTwice() external {
        // The subject key identifier becomes a second authority key identifier; both are opaque.
        refuseReplaced(ca, hex"0603551d0e", hex"0603551d23", X509.X509_DuplicateExtension.selector);
    }

    function test_parse_RevertWhen_AnUnknownExtensionIsCritical() external {
        refuseReplaced(
            ca, hex"551d130101ff", hex"551d120101ff", X509.X509_UnknownCriticalExtension.selector
        );
    }

    function test_parse_RevertWhen_SignatureHasUnusedBits() external {
        bytes memory altered = bytes.concat(ca);
        uint256 offset = last(altered, hex"2a8648ce3d040302") + 8;
        assertEq(uint8(altered[offset]), Der.BIT_STRING, "bit string");
        altered[offset + 2] = 0x01;
        refuse(altered, X509.X509_SignatureBits.selector);
    }

    function test_parse_RevertWhen_ThereAreNoExtensions() external {
        refuse(upTo(keyEnd()), Der.Der_Truncated.selector);
    }

    function test_parse_RevertWhen_TheSignedPartEndsInsideTheKey() external {
        uint256 end = keyEnd() - 1;
        bytes memory altered = upTo(end);
        vm.expectRevert(abi.encodeWithSelector(Der.Der_Truncated.selector, end, end + 1));
        x509.parse(altered);
    }

    function keyEnd() private view returns (uint256) {
        return last(ca, abi.encode(x509.parse(ca).y)) + 32;
    }

    /// @dev The same certificate, whose signed part ends there, and lengths to match.
    function upTo(uint256 end) private view returns (bytes memory) {
        bytes memory head = new bytes(end - 8);
        for (uint256 i; i < head.length; ++i) {
            head[i] = ca[8 + i];
        }
        bytes memory signed = bytes.concat(hex"3082", abi.encodePacked(uint16(head.length)), head);
        bytes memory tail = hex"300a06082a8648ce3d0403020309003006020101020101";
        uint16 length = uint16(signed.length + tail.length);
        return bytes.concat(hex"3082", abi.encodePacked(length), signed, tail);
    }

    function refuse(bytes memory der, bytes4 selector) private {
        vm.expectPartialRevert(selector);
        x509.parse(der);
    }

    function refuseReplaced(bytes memory der, bytes memory old, bytes memory fresh, bytes4 selector)
        private
    {
        bytes memory altered = bytes.concat(der);
        uint256 offset = first(altered, old);
        for (uint256 i; i < fresh.length; ++i) {
            altered[offset + i] = fresh[i];
        }
        refuse(altered, selector);
    }

    function first(bytes memory hay, bytes memory needle) private pure returns (uint256) {
        for (uint256 i; i + needle.length <= hay.length; ++i) {
            if (Der.keccak(hay, i, i + needle.length) == keccak256(needle)) return i;
        }
        revert("not there");
    }

    function last(bytes memory hay, bytes memory needle) private pure returns (uint256) {
        for (uint256 i = hay.length - needle.length + 1; i > 0; --i) {
            if (Der.keccak(hay, i - 1, i - 1 + needle.length) == keccak256(needle)) return i - 1;
        }
        revert("not there");
    }
}
