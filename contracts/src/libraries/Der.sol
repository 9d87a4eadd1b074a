// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Calendar} from "./Calendar.sol";

/// @notice A strict walk over DER: definite lengths in their shortest form, elements inside their
///         parents.
/// @dev Positions are offsets into `data`; `end` is one past the last byte an element may use.
///     Reference: ITU-T X.690.
library Der {
    uint8 internal constant BOOLEAN = 0x01;
    uint8 internal constant INTEGER = 0x02;
    uint8 internal constant BIT_STRING = 0x03;
    uint8 internal constant OCTET_STRING = 0x04;
    uint8 internal constant OBJECT_IDENTIFIER = 0x06;
    uint8 internal constant UTC_TIME = 0x17;
    uint8 internal constant GENERALIZED_TIME = 0x18;
    uint8 internal constant SEQUENCE = 0x30;

    /// @dev Tag and length of both forms of a time.
    uint256 private constant UTC_HEAD = 0x170d;
    uint256 private constant GENERALIZED_HEAD = 0x180f;
    uint256 private constant YEAR_2050 = 2_524_608_000;
    /// @dev Of each of fourteen bytes: "0"; what makes 10 reach the highest bit; that bit.
    uint256 private constant ZEROS = 0x3030303030303030303030303030;
    uint256 private constant TEN_TO_128 = 0x7676767676767676767676767676;
    uint256 private constant HIGH_BITS = 0x8080808080808080808080808080;
    uint256 private constant PAIRS = 0x00ff00ff00ff00ff00ff00ff00ff;

    /// @notice The element does not fit its parent.
    error Der_Truncated(uint256 seen, uint256 wanted);
    /// @notice The element has another tag.
    error Der_Tag(uint256 offset, uint8 seen, uint8 wanted);
    /// @notice The length is indefinite, not in its shortest form, or above 65,535.
    error Der_Length(uint256 offset);
    /// @notice The parent goes on after its last element.
    error Der_TrailingBytes(uint256 seen, uint256 wanted);
    /// @notice The integer is negative, not in its shortest form, empty or too long.
    error Der_Integer(uint256 offset);
    /// @notice The time is not `YYMMDDHHMMSSZ` up to 2049 or `YYYYMMDDHHMMSSZ` from 2050, or no
    ///         date.
    error Der_Time(uint256 offset);
    /// @notice The bytes are not the constant that must stand here.
    error Der_Constant(uint256 offset, bytes32 seen, bytes32 wanted);

    /// @notice The element at a position.
    /// @return tag Its identifier octet.
    /// @return start Position of its content.
    /// @return next Position after it.
    function element(bytes memory data, uint256 offset, uint256 end)
        internal
        pure
        returns (uint8 tag, uint256 start, uint256 next)
    {
        bool isShort;
        assembly ("memory-safe") {
            let head := mload(add(add(data, 0x20), offset))
            tag := byte(0, head)
            start := add(offset, 2)
            next := add(start, byte(1, head))
            isShort := gt(lt(byte(1, head), 0x80), gt(next, end))
        }
        if (!isShort) (start, next) = _content(data, offset, end);
    }

    /// @notice The element at a position, which must have a tag.
    function expect(bytes memory data, uint256 offset, uint256 end, uint8 wanted)
        internal
        pure
        returns (uint256 start, uint256 next)
    {
        bool isShort;
        assembly ("memory-safe") {
            let head := mload(add(add(data, 0x20), offset))
            start := add(offset, 2)
            next := add(start, byte(1, head))
            // Of the tag, and of the length's highest bit.
            isShort := gt(eq(shr(247, head), shl(1, wanted)), gt(next, end))
        }
        if (!isShort) {
            (start, next) = _content(data, offset, end);
            uint8 tag = uint8(word(data, offset)[0]);
            if (tag != wanted) revert Der_Tag(offset, tag, wanted);
        }
    }

    /// @notice The parent must end here.
    function finish(uint256 offset, uint256 end) internal pure {
        require(offset == end, Der_TrailingBytes(offset, end));
    }

    /// @notice A constant of up to 32 bytes must stand at a position.
    /// @param wanted The constant, left-aligned.
    /// @param size Its length in bytes; not 0.
    function constant_(bytes memory data, uint256 offset, uint256 end, bytes32 wanted, uint256 size)
        internal
        pure
        returns (uint256 next)
    {
        unchecked {
            next = offset + size;
            require(next <= end, Der_Truncated(end, next));
            bytes32 seen = word(data, offset);
            if (uint256(seen ^ wanted) >> (256 - 8 * size) != 0) {
                revert Der_Constant(offset, left(seen, size), wanted);
            }
        }
    }

    /// @notice A non-negative INTEGER of at most `size` bytes (without the sign byte).
    function integer(bytes memory data, uint256 offset, uint256 end, uint256 size)
        internal
        pure
        returns (uint256 value, uint256 next)
    {
        unchecked {
            uint256 start;
            (start, next) = expect(data, offset, end, INTEGER);
            uint256 length = next - start;
            value = uint256(word(data, start));
            require(length > 0 && value >> 255 == 0, Der_Integer(offset));
            if (length > 1) {
                // Nine bits of the same value are one octet too many.
                require(value >> 247 != 0, Der_Integer(offset));
                if (value >> 248 == 0) {
                    (value, length) = (uint256(word(data, start + 1)), length - 1);
                }
            }
            require(length <= size, Der_Integer(offset));
            value >>= 8 * (32 - length);
        }
    }

    /// @notice A certificate time, in seconds since the epoch; 1970 at the earliest.
    /// @dev Reference: RFC 5280, section 4.1.2.5.
    function time(bytes memory data, uint256 offset, uint256 end)
        internal
        pure
        returns (uint64 seconds_, uint256 next)
    {
        unchecked {
            uint256 text = uint256(word(data, offset));
            // The element's head, fourteen digits and what follows them.
            uint256 head = text >> 240;
            if (head == UTC_HEAD) {
                next = offset + 15;
                // Two digits of the year, of which those below 50 are of this century.
                uint256 century = ((text >> 232) & 0xff) < 0x35 ? 0x3230 : 0x3139;
                text = century << 240 | (text << 16) >> 16;
            } else if (head == GENERALIZED_HEAD) {
                next = offset + 17;
                text <<= 16;
            } else {
                _refuseTime(data, offset, end);
            }
            require(next <= end, Der_Truncated(end, next));
            // forge-lint: disable-next-line(unsafe-typecast) years have four digits: below 2^38
            seconds_ = uint64(_seconds(text, offset));
            // From 2050 on, which the short form does not reach.
            require(head == UTC_HEAD || seconds_ >= YEAR_2050, Der_Time(offset));
        }
    }

    /// @notice keccak256 of `data[start:end]`; the caller knows that it lies inside.
    function keccak(bytes memory data, uint256 start, uint256 end)
        internal
        pure
        returns (bytes32 digest)
    {
        assembly ("memory-safe") {
            digest := keccak256(add(add(data, 0x20), start), sub(end, start))
        }
    }

    /// @notice SHA-256 of `data[start:end]`; the caller knows that it lies inside.
    function sha(bytes memory data, uint256 start, uint256 end)
        internal
        view
        returns (bytes32 digest)
    {
        assembly ("memory-safe") {
            let isDone :=
                staticcall(gas(), 0x02, add(add(data, 0x20), start), sub(end, start), 0x00, 0x20)
            let size := returndatasize()
            if iszero(and(isDone, eq(size, 0x20))) { revert(0, 0) }
            digest := mload(0x00)
        }
    }

    /// @notice The 32 bytes from a position; what lies after the end of `data` is arbitrary.
    function word(bytes memory data, uint256 offset) internal pure returns (bytes32 value) {
        assembly ("memory-safe") {
            value := mload(add(add(data, 0x20), offset))
        }
    }

    /// @notice The first `size` bytes of a word, the others zero.
    function left(bytes32 value, uint256 size) internal pure returns (bytes32) {
        return size == 0 ? bytes32(0) : (value >> (8 * (32 - size))) << (8 * (32 - size));
    }

    /// @dev Any element but those of one octet of length that end inside the parent.
    function _content(bytes memory data, uint256 offset, uint256 end)
        private
        pure
        returns (uint256 start, uint256 next)
    {
        unchecked {
            if (offset + 2 > end) revert Der_Truncated(end, offset + 2);
            uint256 head = uint256(word(data, offset));
            uint256 length = (head >> 240) & 0xff;
            start = offset + 2;
            if (length == 0x82) {
                length = (head >> 224) & 0xffff;
                start = offset + 4;
                require(length > 0xff, Der_Length(offset));
            } else if (length == 0x81) {
                length = (head >> 232) & 0xff;
                start = offset + 3;
                require(length > 0x7f, Der_Length(offset));
            } else {
                require(length < 0x80, Der_Length(offset));
            }
            next = start + length;
            require(next <= end, Der_Truncated(end, next));
        }
    }

    /// @param text `YYYYMMDDHHMMSSZ` and what follows it.
    function _seconds(uint256 text, uint256 offset) private pure returns (uint256) {
        unchecked {
            uint256 digits = (text >> 144) ^ ZEROS;
            // A byte above 9 has its highest bit set in one of the two.
            require(
                (digits | (digits + TEN_TO_128)) & HIGH_BITS == 0 && (text >> 136) & 0xff == 0x5a,
                Der_Time(offset)
            );
            // Numbers of two digits, 16 bits each.
            uint256 pairs = ((digits >> 8) & PAIRS) * 10 + (digits & PAIRS);
            uint256 year = (pairs >> 96) * 100 + ((pairs >> 80) & 0xff);
            (uint256 month, uint256 day) = ((pairs >> 64) & 0xff, (pairs >> 48) & 0xff);
            uint256 hour = (pairs >> 32) & 0xff;
            uint256 minute = (pairs >> 16) & 0xff;
            uint256 second = pairs & 0xff;
            require(
                year > 1969 && Calendar.isDate(year, month, day) && hour < 24 && minute < 60
                    && second < 60,
                Der_Time(offset)
            );
            uint256 days_ = Calendar.daysSinceEpoch(year, month, day);
            return days_ * 1 days + hour * 3600 + minute * 60 + second;
        }
    }

    function _refuseTime(bytes memory data, uint256 offset, uint256 end) private pure {
        (uint8 tag,,) = element(data, offset, end);
        require(tag == UTC_TIME || tag == GENERALIZED_TIME, Der_Tag(offset, tag, UTC_TIME));
        revert Der_Time(offset);
    }
}
