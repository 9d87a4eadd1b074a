// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Calendar} from "./Calendar.sol";
import {Der} from "./Der.sol";

/// @notice A strict walk over the JSON that Intel signs: compact, keys in one order, no escapes.
/// @dev Another layout is refused, never searched. Offsets only grow and nothing here looks at the
///      end, behind which memory holds anything: whoever parses a document calls `finish`, and
///      what was read then lay inside. Reference: Intel PCS API v4.
library IntelJson {
    uint256 private constant EACH =
        0x0101010101010101010101010101010101010101010101010101010101010101;
    uint256 private constant HIGH = 0x80 * EACH;
    uint256 private constant LOW7 = 0x7f * EACH;
    uint256 private constant EACH_20 = EACH >> 96;
    bytes20 private constant TIME_FORM = "0000-00-00T00:00:00Z";
    /// @dev What lifts a byte that must not be there to 0x80: any above 9 in place of a digit, any
    ///      above 0 in place of a separator.
    uint256 private constant TIME_LIMITS = 0x00767676767f76767f76767f76767f76767f76767f;

    /// @notice Other bytes must stand here; only as many are shown as wanted.
    error IntelJson_Token(uint256 offset, bytes32 seen, bytes32 wanted);
    /// @notice Not a decimal integer in its shortest form, or above the most that is allowed.
    error IntelJson_Number(uint256 offset, uint256 wantedMax);
    /// @notice Not a string of ASCII without control characters and escapes.
    error IntelJson_Text(uint256 offset);
    /// @notice Not this many hexadecimal digits.
    error IntelJson_Hex(uint256 offset, uint256 wanted);
    /// @notice Not `YYYY-MM-DDTHH:MM:SSZ`, no such date, or before 1970.
    error IntelJson_Time(uint256 offset);
    /// @notice The document does not end where its last token does.
    error IntelJson_TrailingBytes(uint256 seen, uint256 wanted);

    /// @notice These bytes must stand at a position.
    /// @param wanted At most 32 bytes, left-aligned.
    /// @param size Their number.
    function token(bytes memory json, uint256 offset, bytes32 wanted, uint256 size)
        internal
        pure
        returns (uint256)
    {
        bytes32 seen = Der.word(json, offset);
        unchecked {
            if (uint256(seen ^ wanted) >> (256 - 8 * size) != 0) {
                revert IntelJson_Token(offset, Der.left(seen, size), wanted);
            }
            return offset + size;
        }
    }

    /// @notice Whether these bytes stand at a position.
    function has(bytes memory json, uint256 offset, bytes32 wanted, uint256 size)
        internal
        pure
        returns (bool)
    {
        unchecked {
            return uint256(Der.word(json, offset) ^ wanted) >> (256 - 8 * size) == 0;
        }
    }

    /// @notice After an element of a list: whether another follows. It is a comma or the bracket.
    function isMore(bytes memory json, uint256 offset) internal pure returns (bool more, uint256) {
        more = has(json, offset, ",", 1);
        return (more, more ? offset + 1 : token(json, offset, "]", 1));
    }

    /// @notice The document must end here.
    function finish(bytes memory json, uint256 offset) internal pure {
        require(offset == json.length, IntelJson_TrailingBytes(offset, json.length));
    }

    /// @notice A decimal integer from 0 to `max`.
    function number(bytes memory json, uint256 offset, uint256 max)
        internal
        pure
        returns (uint256 value, uint256 next)
    {
        uint256 rest = uint256(Der.word(json, offset));
        bool isPadded = rest >> 240 >= 0x3030 && rest >> 240 <= 0x3039;
        unchecked {
            // At most 32 digits, since what is shifted in is none: no overflow.
            for (next = offset;; ++next) {
                // Digits become 0 to 9, all else more.
                uint256 digit = (rest >> 248) ^ 0x30;
                if (digit > 9) break;
                value = value * 10 + digit;
                rest <<= 8;
            }
        }
        require(next > offset && !isPadded && value <= max, IntelJson_Number(offset, max));
    }

    /// @notice The end of a string's content: the position of its closing quote.
    function textEnd(bytes memory json, uint256 offset) internal pure returns (uint256 end) {
        end = offset;
        uint256 special;
        unchecked {
            while ((special = _special(uint256(Der.word(json, end)))) == 0) end += 32;
            assembly ("memory-safe") {
                end := add(end, shr(3, clz(special)))
            }
        }
        require(has(json, end, "\"", 1), IntelJson_Text(end));
    }

    /// @notice Strings between commas, up to the bracket; at least one.
    /// @return next The position after the bracket.
    function texts(bytes memory json, uint256 offset) internal pure returns (uint256 next) {
        next = offset;
        unchecked {
            for (uint256 last = 0x2c; last == 0x2c;) {
                if (!has(json, next, "\"", 1)) revert IntelJson_Text(next);
                uint256 end = textEnd(json, next + 1);
                last = uint8(Der.word(json, end + 1)[0]);
                if (last != 0x2c) token(json, end + 1, "]", 1);
                next = end + 2;
            }
        }
    }

    /// @notice Hexadecimal digits of either case.
    /// @param digits At most 32.
    /// @return value The number that they write.
    function hex_(bytes memory json, uint256 offset, uint256 digits)
        internal
        pure
        returns (uint256 value, uint256 next)
    {
        unchecked {
            uint256 rest = 256 - 8 * digits;
            // Zeros before the first digit.
            uint256 word = (uint256(Der.word(json, offset)) >> rest)
                | (digits == 32 ? 0 : (0x30 * EACH) << (256 - rest));
            // 1 for each letter.
            uint256 letter = (word >> 6) & EACH;
            uint256 nibbles = (word & (0x0f * EACH)) + 9 * letter;
            // Only digits are below 10, only letters from 10 to 15, and both come out of the value
            // as they went in.
            uint256 wrong = (((nibbles + 0x76 * EACH) >> 7) & EACH) ^ letter;
            wrong |= nibbles & (0x10 * EACH);
            wrong |= (nibbles + 0x30 * EACH + 7 * letter) ^ (word & ~(0x20 * letter));
            require(wrong == 0, IntelJson_Hex(offset, digits));
            value = _joined(nibbles);
            next = offset + digits;
        }
    }

    /// @notice A time, in seconds since the epoch.
    function time(bytes memory json, uint256 offset)
        internal
        pure
        returns (uint40 seconds_, uint256 next)
    {
        uint256 x = uint160(bytes20(Der.word(json, offset)) ^ TIME_FORM);
        unchecked {
            require((x | (x + TIME_LIMITS)) & (0x80 * EACH_20) == 0, IntelJson_Time(offset));
            // In the place of a second digit stands the number of both.
            x += 10 * (x >> 8);
            uint256 year = 100 * ((x >> 144) & 0xff) + ((x >> 128) & 0xff);
            uint256 month = (x >> 104) & 0xff;
            uint256 day = (x >> 80) & 0xff;
            uint256 hour = (x >> 56) & 0xff;
            uint256 minute = (x >> 32) & 0xff;
            uint256 second = (x >> 8) & 0xff;
            require(
                year > 1969 && Calendar.isDate(year, month, day) && hour < 24 && minute < 60
                    && second < 60,
                IntelJson_Time(offset)
            );
            uint256 days_ = Calendar.daysSinceEpoch(year, month, day);
            // forge-lint: disable-next-line(unsafe-typecast) years have four digits: below 2^38
            seconds_ = uint40(days_ * 1 days + hour * 3600 + minute * 60 + second);
            next = offset + 20;
        }
    }

    /// @dev The highest bit of each byte that ends a string or may not be in it: quote, backslash,
    ///      control characters, and all that is not ASCII. Sums stay inside their bytes.
    function _special(uint256 word) private pure returns (uint256) {
        unchecked {
            uint256 low = word & LOW7;
            uint256 plain = low + 0x60 * EACH;
            plain &= (low ^ (0x22 * EACH)) + LOW7;
            plain &= (low ^ (0x5c * EACH)) + LOW7;
            return (word | ~plain) & HIGH;
        }
    }

    /// @dev 32 bytes of a nibble each into 16 bytes.
    function _joined(uint256 x) private pure returns (uint256) {
        x = (x | (x >> 4)) & 0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff;
        x = (x | (x >> 8)) & 0x0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff;
        x = (x | (x >> 16)) & 0x00000000ffffffff00000000ffffffff00000000ffffffff00000000ffffffff;
        x = (x | (x >> 32)) & 0x0000000000000000ffffffffffffffff0000000000000000ffffffffffffffff;
        return (x | (x >> 64)) & type(uint128).max;
    }
}
