// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {PckPlatform} from "contracts/libraries/PckExtension.sol";
import {Certificate} from "contracts/libraries/X509.sol";

/// @notice What a parser must make of a PCK certificate, said as plainly as it can be: a tree of elements that
///         fill their parents, byte by byte, with nothing of the contracts' own code.
library CertificateModel {
    /// @notice An element: its first byte, that of its content, and the byte after it.
    struct Node {
        uint8 tag;
        uint256 begin;
        uint256 start;
        uint256 end;
    }

    error CertificateModel_Refused(uint256 reason);

    bytes private constant ALGORITHM = hex"300a06082a8648ce3d040302";
    bytes private constant P256_KEY = hex"301306072a8648ce3d020106082a8648ce3d030107";
    bytes private constant SGX_OID = hex"06092a864886f84d010d01";
    bytes private constant TRUE = hex"0101ff";

    function parse(bytes memory der)
        internal
        pure
        returns (Certificate memory c, PckPlatform memory platform)
    {
        Node[] memory whole = children(der, Node(0, 0, 0, der.length), 1);
        Node[] memory parts = children(der, sequence(whole[0]), 3);
        bytes memory signed = slice(der, parts[0].begin, parts[0].end);
        (c.id, c.digest) = (keccak256(signed), sha256(signed));
        requireBytes(der, parts[1], ALGORITHM);
        refuseUnless(parts[2].tag == 0x03 && der[parts[2].start] == 0, 1);
        ++parts[2].start;
        Node[] memory numbers = children(der, sequence(children(der, parts[2], 1)[0]), 2);
        (c.r, c.s) = (bytes32(integer(der, numbers[0], 32)), bytes32(integer(der, numbers[1], 32)));
        signedPart(c, der, children(der, sequence(parts[0]), 8));
        if (c.sgxEnd != 0) platform = extension(der, Node(0, 0, c.sgxStart, c.sgxEnd));
    }

    /// @notice The content of the SGX extension.
    function extension(bytes memory der, Node memory content)
        internal
        pure
        returns (PckPlatform memory platform)
    {
        Node[] memory items = children(der, sequence(children(der, content, 1)[0]), 0);
        bool[8] memory isThere;
        for (uint256 i; i < items.length; ++i) {
            Node[] memory pair = children(der, sequence(items[i]), 2);
            uint256 number = arc(der, pair[0], hex"060a2a864886f84d010d01");
            refuseUnless(number > 0 && number < 8 && !isThere[number], 2);
            isThere[number] = true;
            if (number == 1) platform.ppid = bytes16(octets(der, pair[1], 16));
            if (number == 2) svns(platform, der, children(der, sequence(pair[1]), 18));
            if (number == 3) platform.pceid = bytes2(octets(der, pair[1], 2));
            if (number == 4) platform.fmspc = bytes6(octets(der, pair[1], 6));
            if (number == 6) octets(der, pair[1], 16);
        }
        for (uint256 number = 1; number < 6; ++number) {
            refuseUnless(isThere[number], 3);
        }
    }

    function svns(PckPlatform memory platform, bytes memory der, Node[] memory items) private pure {
        uint128 components;
        for (uint256 i; i < 18; ++i) {
            Node[] memory pair = children(der, sequence(items[i]), 2);
            refuseUnless(arc(der, pair[0], hex"060b2a864886f84d010d0102") == i + 1, 4);
            if (i < 16) components = components * 256 + uint128(integer(der, pair[1], 1));
            else if (i == 16) platform.pcesvn = uint16(integer(der, pair[1], 2));
            else octets(der, pair[1], 16);
        }
        platform.components = bytes16(components);
    }

    function signedPart(Certificate memory c, bytes memory der, Node[] memory fields) private pure {
        requireBytes(der, fields[0], hex"a003020102");
        c.serial = uint160(integer(der, fields[1], 20));
        requireBytes(der, fields[2], ALGORITHM);
        c.issuer = nameOf(der, fields[3]);
        Node[] memory times = children(der, sequence(fields[4]), 2);
        (c.notBefore, c.notAfter) = (time(der, times[0]), time(der, times[1]));
        c.subject = nameOf(der, fields[5]);
        Node[] memory key = children(der, sequence(fields[6]), 2);
        requireBytes(der, key[0], P256_KEY);
        refuseUnless(key[1].tag == 0x03 && key[1].end - key[1].start == 66, 5);
        refuseUnless(der[key[1].start] == 0 && der[key[1].start + 1] == 0x04, 6);
        c.x = bytes32(slice(der, key[1].start + 2, key[1].start + 34));
        c.y = bytes32(slice(der, key[1].start + 34, key[1].end));
        refuseUnless(fields[7].tag == 0xa3, 7);
        extensions(c, der, children(der, sequence(children(der, fields[7], 1)[0]), 0));
    }

    function extensions(Certificate memory c, bytes memory der, Node[] memory all) private pure {
        bool[64] memory isThere;
        for (uint256 i; i < all.length; ++i) {
            Node[] memory parts = children(der, sequence(all[i]), 0);
            refuseUnless(parts.length == 2 || parts.length == 3, 8);
            bool isCritical = parts.length == 3;
            if (isCritical) requireBytes(der, parts[1], TRUE);
            Node memory value = parts[parts.length - 1];
            refuseUnless(parts[0].tag == 0x06 && value.tag == 0x04, 9);
            uint256 kind = kindOf(slice(der, parts[0].begin, parts[0].end));
            if (kind == 0) {
                refuseUnless(!isCritical, 10);
                continue;
            }
            refuseUnless(!isThere[kind], 11);
            isThere[kind] = true;
            if (kind == 1) (c.sgxStart, c.sgxEnd) = (value.start, value.end);
            if (kind == 15) c.keyUsage = keyUsage(der, children(der, value, 1)[0]);
            if (kind == 19) basicConstraints(c, der, children(der, value, 1)[0]);
        }
    }

    /// @dev 1 for SGX, n for 2.5.29.n of the profile, 0 for any other.
    function kindOf(bytes memory oid) private pure returns (uint256) {
        if (keccak256(oid) == keccak256(SGX_OID)) return 1;
        uint8[5] memory known = [14, 15, 19, 31, 35];
        for (uint256 i; i < known.length; ++i) {
            if (keccak256(oid) == keccak256(abi.encodePacked(hex"0603551d", known[i]))) {
                return known[i];
            }
        }
        return 0;
    }

    function keyUsage(bytes memory der, Node memory node) private pure returns (uint8 bits) {
        refuseUnless(node.tag == 0x03 && node.end - node.start == 2, 12);
        uint256 unused = uint8(der[node.start]);
        bits = uint8(der[node.start + 1]);
        refuseUnless(unused < 8 && bits % 2 ** unused == 0, 13);
    }

    function basicConstraints(Certificate memory c, bytes memory der, Node memory node)
        private
        pure
    {
        Node[] memory fields = children(der, sequence(node), 0);
        if (fields.length == 0) return;
        requireBytes(der, fields[0], TRUE);
        (c.isCa, c.pathLength) = (true, 255);
        if (fields.length == 1) return;
        refuseUnless(fields.length == 2, 14);
        c.pathLength = uint8(integer(der, fields[1], 1));
    }

    /// @dev Elements that fill a parent to its last byte.
    /// @param wanted How many there must be; 0: any.
    function children(bytes memory der, Node memory parent, uint256 wanted)
        private
        pure
        returns (Node[] memory nodes)
    {
        Node[] memory found = new Node[](wanted == 0 ? 32 : wanted + 1);
        uint256 count;
        for (uint256 offset = parent.start; offset < parent.end; offset = found[count - 1].end) {
            refuseUnless(count < found.length, 36);
            found[count++] = element(der, offset, parent.end);
        }
        refuseUnless(wanted == 0 || count == wanted, 15);
        nodes = new Node[](count);
        for (uint256 i; i < count; ++i) {
            nodes[i] = found[i];
        }
    }

    function element(bytes memory der, uint256 offset, uint256 end)
        private
        pure
        returns (Node memory node)
    {
        refuseUnless(offset + 2 <= end, 16);
        uint256 length = uint8(der[offset + 1]);
        uint256 octets_;
        if (length > 0x7f) {
            octets_ = length - 0x80;
            refuseUnless((octets_ == 1 || octets_ == 2) && offset + 2 + octets_ <= end, 17);
            length = uint8(der[offset + 2]);
            if (octets_ == 2) length = length * 256 + uint8(der[offset + 3]);
            refuseUnless(length > (octets_ == 1 ? 0x7f : 0xff), 18);
        }
        uint256 start = offset + 2 + octets_;
        node = Node(uint8(der[offset]), offset, start, start + length);
        refuseUnless(node.end <= end, 19);
    }

    function integer(bytes memory der, Node memory node, uint256 size)
        private
        pure
        returns (uint256 value)
    {
        uint256 length = node.end - node.start;
        refuseUnless(node.tag == 0x02 && length > 0 && uint8(der[node.start]) < 0x80, 20);
        if (length > 1 && der[node.start] == 0) {
            refuseUnless(uint8(der[node.start + 1]) > 0x7f, 21);
            --length;
        }
        refuseUnless(length <= size, 22);
        for (uint256 i = node.end - length; i < node.end; ++i) {
            value = value * 256 + uint8(der[i]);
        }
    }

    function time(bytes memory der, Node memory node) private pure returns (uint64) {
        bytes memory text = slice(der, node.start, node.end);
        if (node.tag == 0x17) {
            refuseUnless(text.length == 13, 23);
            text = bytes.concat(uint8(text[0]) < 0x35 ? bytes("20") : bytes("19"), text);
        } else {
            refuseUnless(node.tag == 0x18 && text.length == 15, 24);
            refuseUnless(keccak256(slice(text, 0, 2)) != keccak256("20") || text[2] > "4", 25);
        }
        uint256 year = digits(text, 0) * 100 + digits(text, 2);
        uint256 month = digits(text, 4);
        uint256 day = digits(text, 6);
        refuseUnless(text[14] == "Z" && year > 1969, 26);
        refuseUnless(month > 0 && month < 13 && day > 0 && day <= daysIn(year, month), 27);
        uint256 hour = digits(text, 8);
        uint256 minute = digits(text, 10);
        uint256 second = digits(text, 12);
        refuseUnless(hour < 24 && minute < 60 && second < 60, 28);
        --day;
        for (uint256 m = 1; m < month; ++m) {
            day += daysIn(year, m);
        }
        for (uint256 y = 1970; y < year; ++y) {
            day += 337 + daysIn(y, 2);
        }
        return uint64(((day * 24 + hour) * 60 + minute) * 60 + second);
    }

    function daysIn(uint256 year, uint256 month) private pure returns (uint256) {
        bool isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        uint8[12] memory days_ = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        return days_[month - 1];
    }

    function digits(bytes memory text, uint256 offset) private pure returns (uint256) {
        refuseUnless(text[offset] >= "0" && text[offset] <= "9", 29);
        refuseUnless(text[offset + 1] >= "0" && text[offset + 1] <= "9", 30);
        return (uint8(text[offset]) - 0x30) * 10 + uint8(text[offset + 1]) - 0x30;
    }

    function nameOf(bytes memory der, Node memory node) private pure returns (bytes32) {
        return keccak256(slice(der, sequence(node).begin, node.end));
    }

    function octets(bytes memory der, Node memory node, uint256 size)
        private
        pure
        returns (bytes memory)
    {
        refuseUnless(node.tag == 0x04 && node.end - node.start == size, 31);
        return slice(der, node.start, node.end);
    }

    /// @dev The last octet of an object identifier that begins with others.
    function arc(bytes memory der, Node memory node, bytes memory before)
        private
        pure
        returns (uint256)
    {
        refuseUnless(node.end - node.begin == before.length + 1, 32);
        refuseUnless(keccak256(slice(der, node.begin, node.end - 1)) == keccak256(before), 33);
        return uint8(der[node.end - 1]);
    }

    function sequence(Node memory node) private pure returns (Node memory) {
        refuseUnless(node.tag == 0x30, 34);
        return node;
    }

    function requireBytes(bytes memory der, Node memory node, bytes memory wanted) private pure {
        refuseUnless(keccak256(slice(der, node.begin, node.end)) == keccak256(wanted), 35);
    }

    function refuseUnless(bool condition, uint256 reason) private pure {
        require(condition, CertificateModel_Refused(reason));
    }

    function slice(bytes memory data, uint256 begin, uint256 end)
        private
        pure
        returns (bytes memory part)
    {
        part = new bytes(end - begin);
        for (uint256 i = begin; i < end; ++i) {
            part[i - begin] = data[i];
        }
    }
}
