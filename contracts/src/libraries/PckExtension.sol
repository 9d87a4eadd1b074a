// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Der} from "./Der.sol";

/// @notice What Intel's extension of a PCK certificate says of a machine.
struct PckPlatform {
    bytes16 ppid;
    bytes6 fmspc;
    bytes2 pceid;
    uint16 pcesvn;
    /// @dev Security versions of the 16 TCB components, the first in the highest byte.
    bytes16 components;
}

/// @notice The extension 1.2.840.113741.1.13.1: seven items, each `SEQUENCE { OBJECT IDENTIFIER,
///         value }`.
/// @dev Reference: Intel SGX PCK Certificate and CRL Profile Specification, section 1.3.5.
library PckExtension {
    /// @dev OBJECT IDENTIFIER of 10 octets, 1.2.840.113741.1.13.1.x without its last arc.
    bytes32 private constant ITEM = bytes32(bytes11(0x060a2a864886f84d010d01));
    /// @dev OBJECT IDENTIFIER of 11 octets, 1.2.840.113741.1.13.1.2.x without its last arc.
    bytes32 private constant TCB_ITEM = bytes32(bytes12(0x060b2a864886f84d010d0102));
    /// @dev The first component to the highest bit of its value, which is 0: SEQUENCE of 16 octets,
    ///      OBJECT IDENTIFIER, INTEGER of 1 octet.
    uint256 private constant COMPONENT = 0x3010060b2a864886f84d010d0102010201 << 1;
    uint256 private constant NEXT_COMPONENT = 1 << 17;
    /// @dev The same of a value above 127: SEQUENCE of 17 octets, INTEGER of 2 octets with a zero.
    uint256 private constant LONG_COMPONENT = 0x3011060b2a864886f84d010d010201020200 << 1 | 1;
    uint256 private constant NEXT_LONG_COMPONENT = 1 << 25;
    /// @dev PPID, TCB, PCEID, FMSPC and SGX type are mandatory; items 6 and 7 occur under a
    ///     platform CA.
    uint256 private constant MANDATORY = 0x3e;
    /// @dev 1 to 7.
    uint256 private constant ITEMS = 0xfe;

    /// @notice An item has an unknown number or occurs twice.
    error PckExtension_Item(uint256 seen);
    /// @notice An item is missing: one bit for each of 1 to 7.
    error PckExtension_Missing(uint256 seen, uint256 wanted);
    /// @notice A value has another length.
    error PckExtension_Length(uint256 item, uint256 seen, uint256 wanted);

    /// @notice Parse the extension's content to its last byte.
    function parse(bytes memory der, uint256 offset, uint256 end)
        internal
        pure
        returns (PckPlatform memory platform)
    {
        uint256 next;
        (offset, next) = Der.expect(der, offset, end, Der.SEQUENCE);
        Der.finish(next, end);
        uint256 seen;
        while (offset < end) {
            uint256 start;
            (start, next) = Der.expect(der, offset, end, Der.SEQUENCE);
            start = Der.constant_(der, start, next, ITEM, 11);
            require(start < next, Der.Der_Truncated(next, start + 1));
            uint256 item = uint8(Der.word(der, start)[0]);
            uint256 bit = 1 << item;
            require(ITEMS & bit != 0 && seen & bit == 0, PckExtension_Item(item));
            seen |= bit;
            _item(platform, der, start + 1, next, item);
            offset = next;
        }
        require(seen & MANDATORY == MANDATORY, PckExtension_Missing(seen, MANDATORY));
    }

    function _item(
        PckPlatform memory platform,
        bytes memory der,
        uint256 offset,
        uint256 end,
        uint256 item
    ) private pure {
        if (item == 1) platform.ppid = bytes16(_octets(der, offset, end, item, 16));
        else if (item == 2) _tcb(platform, der, offset, end);
        else if (item == 3) platform.pceid = bytes2(_octets(der, offset, end, item, 2));
        else if (item == 4) platform.fmspc = bytes6(_octets(der, offset, end, item, 6));
        else if (item == 6) _octets(der, offset, end, item, 16);
        else _any(der, offset, end);
    }

    /// @dev Sixteen components, PCESVN, CPUSVN, in this order.
    function _tcb(PckPlatform memory platform, bytes memory der, uint256 offset, uint256 end)
        private
        pure
    {
        unchecked {
            uint256 next;
            (offset, next) = Der.expect(der, offset, end, Der.SEQUENCE);
            Der.finish(next, end);
            uint256 value;
            (value, offset) = _components(der, offset, end);
            // forge-lint: disable-next-line(unsafe-typecast) sixteen values of one byte
            platform.components = bytes16(uint128(value));
            (value, offset) = _svn(der, offset, end, 17, 2);
            // forge-lint: disable-next-line(unsafe-typecast) `_svn` allows two bytes here
            platform.pcesvn = uint16(value);
            (offset, next) = Der.expect(der, offset, end, Der.SEQUENCE);
            offset = Der.constant_(der, offset, next, _tcbItem(18), 13);
            _octets(der, offset, next, 18, 16);
            Der.finish(next, end);
        }
    }

    /// @dev Each component is in one of the two encodings that there are: its value below 128 in
    ///      one octet, or after a zero octet. Of any other, `_svn` says what is wrong.
    function _components(bytes memory der, uint256 offset, uint256 end)
        private
        pure
        returns (uint256 values, uint256 next)
    {
        unchecked {
            uint256 short = COMPONENT;
            uint256 long = LONG_COMPONENT;
            next = offset;
            for (uint256 number = 1; number < 17; ++number) {
                uint256 item = uint256(Der.word(der, next));
                uint256 value;
                if (item >> 119 == short && next + 18 <= end) {
                    (value, next) = ((item >> 112) & 0xff, next + 18);
                } else if (item >> 111 == long && next + 19 <= end) {
                    (value, next) = ((item >> 104) & 0xff, next + 19);
                } else {
                    (value, next) = _svn(der, next, end, number, 1);
                }
                values = (values << 8) | value;
                (short, long) = (short + NEXT_COMPONENT, long + NEXT_LONG_COMPONENT);
            }
        }
    }

    function _svn(bytes memory der, uint256 offset, uint256 end, uint256 number, uint256 size)
        private
        pure
        returns (uint256 value, uint256 next)
    {
        (offset, next) = Der.expect(der, offset, end, Der.SEQUENCE);
        offset = Der.constant_(der, offset, next, _tcbItem(number), 13);
        (value, offset) = Der.integer(der, offset, next, size);
        Der.finish(offset, next);
    }

    function _tcbItem(uint256 number) private pure returns (bytes32) {
        return TCB_ITEM | bytes32(number << 152);
    }

    function _octets(bytes memory der, uint256 offset, uint256 end, uint256 item, uint256 size)
        private
        pure
        returns (bytes32)
    {
        (uint256 start, uint256 next) = Der.expect(der, offset, end, Der.OCTET_STRING);
        Der.finish(next, end);
        require(next - start == size, PckExtension_Length(item, next - start, size));
        return Der.word(der, start);
    }

    /// @dev SGX type and configuration carry nothing that is used here.
    function _any(bytes memory der, uint256 offset, uint256 end) private pure {
        (,, uint256 next) = Der.element(der, offset, end);
        Der.finish(next, end);
    }
}
