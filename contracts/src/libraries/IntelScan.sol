// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice The two lists that most of Intel's JSON consists of, scanned at once.
/// @dev For what `TcbInfo` and `IntelJson` read token by token. What is not plainly right is left
///      to them: they say what is wrong, or that it is not. As there, nothing looks at the end.
library IntelScan {
    /// @notice Sixteen component versions, `{"svn":0},…]`, with or without labels.
    /// @return versions The first in the highest of 16 bytes.
    /// @return next Position after the bracket; 0 when the list is not plainly right.
    function components(bytes memory json, uint256 offset)
        internal
        pure
        returns (uint256 versions, uint256 next)
    {
        assembly ("memory-safe") {
            // First byte from p that ends a string or may not be in one; see `IntelJson`.
            function textEnd(p) -> end {
                let low7 := 0x7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f
                let each := 0x0101010101010101010101010101010101010101010101010101010101010101
                for {} 1 { p := add(p, 32) } {
                    let word := mload(p)
                    let low := and(word, low7)
                    let plain := add(low, mul(each, 0x60))
                    plain := and(plain, add(xor(low, mul(each, 0x22)), low7))
                    plain := and(plain, add(xor(low, mul(each, 0x5c)), low7))
                    let special := and(or(word, not(plain)), not(low7))
                    if special {
                        end := add(p, shr(3, clz(special)))
                        break
                    }
                }
            }
            let start := add(json, 0x20)
            let p := add(start, offset)
            for { let left := 16 } 1 {} {
                let word := mload(p)
                let value := 0
                let last := 0
                // {"svn":0}
                switch eq(shr(184, word), 0x7b2273766e223a307d)
                case 1 {
                    last := 0x7d
                    p := add(p, 8)
                }
                default {
                    // {"svn": and up to three digits.
                    if iszero(eq(shr(200, word), 0x7b2273766e223a)) { break }
                    value := xor(byte(7, word), 0x30)
                    if gt(value, 9) { break }
                    p := add(p, 8)
                    last := byte(8, word)
                    let digit := xor(last, 0x30)
                    if lt(digit, 10) {
                        if iszero(value) { break }
                        value := add(mul(value, 10), digit)
                        p := add(p, 1)
                        last := byte(9, word)
                        digit := xor(last, 0x30)
                        if lt(digit, 10) {
                            value := add(mul(value, 10), digit)
                            if gt(value, 255) { break }
                            p := add(p, 1)
                            last := byte(10, word)
                        }
                    }
                    if eq(last, 0x2c) {
                        word := mload(p)
                        // ,"category":"
                        if eq(shr(152, word), 0x2c2263617465676f7279223a22) {
                            p := textEnd(add(p, 13))
                            if iszero(eq(byte(0, mload(p)), 0x22)) { break }
                            p := add(p, 1)
                            word := mload(p)
                        }
                        // ,"type":"
                        if eq(shr(184, word), 0x2c2274797065223a22) {
                            p := textEnd(add(p, 9))
                            if iszero(eq(byte(0, mload(p)), 0x22)) { break }
                            p := add(p, 1)
                            word := mload(p)
                        }
                        last := byte(0, word)
                    }
                }
                if iszero(eq(last, 0x7d)) { break }
                versions := or(shl(8, versions), value)
                left := sub(left, 1)
                last := byte(1, mload(p))
                p := add(p, 2)
                if iszero(left) {
                    if eq(last, 0x5d) { next := sub(p, start) }
                    break
                }
                if iszero(eq(last, 0x2c)) { break }
            }
        }
    }

    /// @notice Advisories, `"INTEL-SA-00615",…]`.
    /// @return next Position after the bracket; 0 when the list is not plainly right.
    function advisories(bytes memory json, uint256 offset) internal pure returns (uint256 next) {
        assembly ("memory-safe") {
            let p := add(add(json, 0x20), offset)
            for {} 1 {} {
                let word := mload(p)
                // "INTEL-SA-
                if iszero(eq(shr(176, word), 0x22494e54454c2d53412d)) { break }
                // Five digits become 0 to 9, the quote becomes 0.
                let rest := xor(and(shr(128, word), 0xffffffffffff), 0x303030303022)
                if and(or(rest, add(rest, 0x76767676767f)), 0x808080808080) { break }
                p := add(p, 17)
                let last := byte(16, word)
                if eq(last, 0x2c) { continue }
                if eq(last, 0x5d) { next := sub(p, add(json, 0x20)) }
                break
            }
        }
    }
}
