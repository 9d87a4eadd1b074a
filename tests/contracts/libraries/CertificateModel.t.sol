// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {PckExtension, PckPlatform} from "contracts/libraries/PckExtension.sol";
import {Certificate, X509} from "contracts/libraries/X509.sol";
import {CertificateModel} from "../CertificateModel.sol";
import {DcapFixture} from "../DcapFixture.sol";

/// @notice Parser and model behind external calls, so that they can refuse.
contract CertificateParsers {
    function parse(bytes memory der)
        external
        view
        returns (Certificate memory c, PckPlatform memory platform)
    {
        c = X509.parse(der);
        if (c.sgxEnd != 0) platform = PckExtension.parse(der, c.sgxStart, c.sgxEnd);
    }

    function model(bytes memory der)
        external
        pure
        returns (Certificate memory, PckPlatform memory)
    {
        return CertificateModel.parse(der);
    }
}

/// @notice What the libraries make of a certificate, altered in any way, is what the model makes of it.
contract CertificateModelTest is DcapFixture {
    CertificateParsers private parsers;
    bytes[] private known;

    function setUp() external {
        load();
        parsers = new CertificateParsers();
        known.push(bytesAt(".pck.certificate"));
        known.push(bytesAt(".ca.certificate"));
        known.push(bytesAt(".acceptedCa.outlivesRoot"));
    }

    function test_parse_IsTheModels() external view {
        for (uint256 i; i < known.length; ++i) {
            assertTrue(isTaken(known[i]), "taken");
        }
    }

    function test_parse_OfAPckWithAnyByteAltered_IsTheModels() external {
        vm.pauseGasMetering();
        uint256 taken = alterEachByte(known[0]);
        // Of what is not looked into, and of values, many are as good as others.
        assertTrue(taken > known[0].length / 4 && taken < known[0].length * 7 / 8, "both happen");
    }

    function test_parse_OfACaWithAnyByteAltered_IsTheModels() external {
        vm.pauseGasMetering();
        uint256 taken = alterEachByte(known[1]);
        assertTrue(taken > known[1].length / 4 && taken < known[1].length * 7 / 8, "both happen");
    }

    function testFuzz_parse_OfBytesAltered_IsTheModels(uint256 which, uint256 any, bytes3 fresh)
        external
        view
    {
        bytes memory der = known[which % known.length];
        uint256 count = 1 + any % 3;
        uint256 offset = (any >> 8) % (der.length - 2);
        for (uint256 i; i < count; ++i) {
            der[offset + i] = fresh[i];
        }
        isTaken(der);
    }

    /// @dev A byte more or less, and lengths of the elements around it to match or not.
    function testFuzz_parse_OfABytePutInOrLeftOut_IsTheModels(uint256 any, bytes1 fresh)
        external
        view
    {
        bytes memory der = known[any % known.length];
        uint256 offset = (any >> 8) % der.length;
        bool isMore = any >> 64 & 1 == 0;
        bytes memory altered = new bytes(isMore ? der.length + 1 : der.length - 1);
        for (uint256 i; i < altered.length; ++i) {
            if (i < offset) altered[i] = der[i];
            else if (isMore) altered[i] = i == offset ? fresh : der[i - 1];
            else altered[i] = der[i + 1];
        }
        if (any >> 65 & 1 == 0) fitLengths(der, altered, offset);
        isTaken(altered);
    }

    function testFuzz_parse_OfAnyTime_IsTheModels(uint64 date, bytes2 fresh, uint256 any)
        external
        view
    {
        bytes memory der = known[2];
        // The end of the certificate's validity, in the long form: 0x180f and fifteen octets.
        uint256 offset = timeAt(der);
        for (uint256 i = 14; i > 0; --i) {
            der[offset + i + 1] = bytes1(uint8(0x30 + date % 10));
            date /= 10;
        }
        if (any & 1 == 0) {
            (der[offset + 2 + (any >> 8) % 14], der[offset + 3 + (any >> 8) % 14]) =
            (fresh[0], fresh[1]);
        }
        isTaken(der);
    }

    /// @dev Of the first six components four are below 128 and two are not: those have a zero octet before them.
    function testFuzz_parse_OfAnyComponent_IsTheModels(uint256 which, bytes1 value) external view {
        bytes memory der = known[0];
        which %= 6;
        uint256 offset = componentAt(der) + 18 * (which + 1) + (which < 4 ? 0 : which - 3);
        der[offset - 1] = value;
        assertTrue(isTaken(der) == (which < 4 == uint8(value) < 0x80), "canonical");
    }

    /// @dev One bit of each byte, a different one each time.
    function alterEachByte(bytes memory der) private view returns (uint256 taken) {
        for (uint256 i; i < der.length; ++i) {
            bytes1 before = der[i];
            der[i] = before ^ bytes1(uint8(1 << i % 8));
            if (isTaken(der)) ++taken;
            der[i] = before;
        }
    }

    /// @dev Adds to the two octets of length of the elements that a position is in, outermost first.
    function fitLengths(bytes memory der, bytes memory altered, uint256 offset) private pure {
        for (uint256 i; i + 4 < offset; ++i) {
            bool isLong = der[i + 1] == 0x82 && (der[i] == 0x30 || der[i] == 0x04 || der[i] == 0xa3);
            uint256 length = uint256(uint8(der[i + 2])) * 256 + uint8(der[i + 3]);
            if (!isLong || i + 4 + length <= offset) continue;
            length = length + altered.length - der.length;
            (altered[i + 2], altered[i + 3]) = (bytes1(uint8(length >> 8)), bytes1(uint8(length)));
        }
    }

    /// @dev Whether both take it; and if they do, they read the same.
    function isTaken(bytes memory der) private view returns (bool isGood) {
        bytes memory seen;
        bytes memory wanted;
        bool isModels;
        (isGood, seen) = address(parsers).staticcall(abi.encodeCall(parsers.parse, (der)));
        (isModels, wanted) = address(parsers).staticcall(abi.encodeCall(parsers.model, (der)));
        assertTrue(isGood == isModels, "taken by one");
        if (isGood) assertEq(seen, wanted, "read");
        else assertTrue(seen.length > 3, "typed");
    }

    function timeAt(bytes memory der) private pure returns (uint256 offset) {
        while (der[offset] != 0x18 || der[offset + 1] != 0x0f || der[offset + 16] != "Z") ++offset;
    }

    /// @dev The first of the sixteen components.
    function componentAt(bytes memory der) private pure returns (uint256 offset) {
        while (bytes16(slice16(der, offset)) != 0x3010060b2a864886f84d010d01020102) ++offset;
    }

    function slice16(bytes memory der, uint256 offset) private pure returns (bytes memory part) {
        part = new bytes(16);
        for (uint256 i; i < 16; ++i) {
            part[i] = der[offset + i];
        }
    }
}
