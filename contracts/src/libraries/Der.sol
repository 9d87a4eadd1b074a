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
    uint8 internal constant ENUMERATED = 0x0a;
    uint8 internal constant UTC_TIME = 0x17;
    uint8 internal constant GENERALIZED_TIME = 0x18;
    uint8 internal constant SEQUENCE = 0x30;

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
        require(offset + 2 <= end, Der_Truncated(end, offset + 2));
        bytes32 head = word(data, offset);
        tag = uint8(head[0]);
        uint256 length = uint8(head[1]);
        start = offset + 2;
        if (length == 0x81) {
            length = uint8(head[2]);
            start = offset + 3;
            require(length > 0x7f, Der_Length(offset));
        } else if (length == 0x82) {
            length = (uint256(uint8(head[2])) << 8) | uint8(head[3]);
            start = offset + 4;
            require(length > 0xff, Der_Length(offset));
        } else {
            require(length < 0x80, Der_Length(offset));
        }
        next = start + length;
        require(next <= end, Der_Truncated(end, next));
    }

    /// @notice The element at a position, which must have a tag.
    function expect(bytes memory data, uint256 offset, uint256 end, uint8 wanted)
        internal
        pure
        returns (uint256 start, uint256 next)
    {
        uint8 tag;
        (tag, start, next) = element(data, offset, end);
        require(tag == wanted, Der_Tag(offset, tag, wanted));
    }

    /// @notice The parent must end here.
    function finish(uint256 offset, uint256 end) internal pure {
        require(offset == end, Der_TrailingBytes(offset, end));
    }

    /// @notice A constant of up to 32 bytes must stand at a position.
    /// @param wanted The constant, left-aligned.
    /// @param size Its length in bytes.
    function constant_(bytes memory data, uint256 offset, uint256 end, bytes32 wanted, uint256 size)
        internal
        pure
        returns (uint256 next)
    {
        next = offset + size;
        require(next <= end, Der_Truncated(end, next));
        bytes32 seen = left(word(data, offset), size);
        require(seen == wanted, Der_Constant(offset, seen, wanted));
    }

    /// @notice A non-negative INTEGER of at most `size` bytes (without the sign byte).
    function integer(bytes memory data, uint256 offset, uint256 end, uint256 size)
        internal
        pure
        returns (uint256 value, uint256 next)
    {
        uint256 start;
        (start, next) = expect(data, offset, end, INTEGER);
        uint256 length = next - start;
        require(length > 0, Der_Integer(offset));
        bytes32 head = word(data, start);
        require(uint8(head[0]) < 0x80, Der_Integer(offset));
        if (length > 1 && head[0] == 0) {
            require(uint8(head[1]) >= 0x80, Der_Integer(offset));
            (start, length) = (start + 1, length - 1);
        }
        require(length <= size, Der_Integer(offset));
        value = uint256(word(data, start)) >> (8 * (32 - length));
    }

    /// @notice A certificate time, in seconds since the epoch; 1970 at the earliest.
    /// @dev Reference: RFC 5280, section 4.1.2.5.
    function time(bytes memory data, uint256 offset, uint256 end)
        internal
        pure
        returns (uint64 seconds_, uint256 next)
    {
        uint8 tag;
        uint256 start;
        (tag, start, next) = element(data, offset, end);
        uint256 year;
        if (tag == UTC_TIME) {
            require(next - start == 13, Der_Time(offset));
            year = _digits(data, start, offset);
            year += year < 50 ? 2000 : 1900;
            start += 2;
        } else {
            require(tag == GENERALIZED_TIME, Der_Tag(offset, tag, UTC_TIME));
            require(next - start == 15, Der_Time(offset));
            year = 100 * _digits(data, start, offset) + _digits(data, start + 2, offset);
            require(year > 2049, Der_Time(offset));
            start += 4;
        }
        require(year > 1969 && data[start + 10] == "Z", Der_Time(offset));
        seconds_ =
            uint64(_date(data, start, offset, year) * 1 days + _clock(data, start + 4, offset));
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

    /// @dev Days since the epoch of a month and day in a year.
    function _date(bytes memory data, uint256 start, uint256 offset, uint256 year)
        private
        pure
        returns (uint256)
    {
        uint256 month = _digits(data, start, offset);
        uint256 day = _digits(data, start + 2, offset);
        require(Calendar.isDate(year, month, day), Der_Time(offset));
        return Calendar.daysSinceEpoch(year, month, day);
    }

    function _clock(bytes memory data, uint256 start, uint256 offset)
        private
        pure
        returns (uint256)
    {
        uint256 hour = _digits(data, start, offset);
        uint256 minute = _digits(data, start + 2, offset);
        uint256 second = _digits(data, start + 4, offset);
        require(hour < 24 && minute < 60 && second < 60, Der_Time(offset));
        return hour * 3600 + minute * 60 + second;
    }

    /// @dev Two ASCII digits.
    function _digits(bytes memory data, uint256 start, uint256 offset)
        private
        pure
        returns (uint256)
    {
        bytes32 pair = word(data, start);
        uint256 tens = uint8(pair[0]);
        uint256 ones = uint8(pair[1]);
        require(tens > 0x2f && tens < 0x3a && ones > 0x2f && ones < 0x3a, Der_Time(offset));
        return (tens - 0x30) * 10 + ones - 0x30;
    }
}
