// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title A product divided, with 512 bits in between
library MulDiv {
    /// @notice The quotient has more than 256 bits, or the divisor is zero.
    error MulDiv_Overflow(uint256 a, uint256 b, uint256 divisor);

    /// @notice ⌊a · b / divisor⌋, exact whenever the quotient itself fits.
    /// @dev The product is `high · 2²⁵⁶ + low`. Less its remainder it is a multiple of the divisor, and
    ///      an exact division by an odd number is a multiplication by its inverse modulo 2²⁵⁶; the
    ///      divisor's power of two is divided out before.
    function mulDiv(uint256 a, uint256 b, uint256 divisor) internal pure returns (uint256) {
        (uint256 high, uint256 low) = _product(a, b);
        // Also refuses a divisor of zero.
        require(high < divisor, MulDiv_Overflow(a, b, divisor));
        unchecked {
            if (high == 0) return low / divisor;
            // 1. The remainder goes.
            uint256 remainder = mulmod(a, b, divisor);
            if (remainder > low) --high;
            low -= remainder;
            // 2. The divisor's power of two goes, from all three: 1 to 2²⁵⁵, as high != 0.
            uint256 twos = divisor & (0 - divisor);
            divisor /= twos;
            low /= twos;
            // 2²⁵⁶ / twos; for twos = 1 it is 0, and so is what it would shift out.
            low |= high * ((0 - twos) / twos + 1);
            // 3. The inverse: right to 4 bits, then Newton's steps to 8, 16, 32, 64, 128 and 256.
            uint256 inverse = (3 * divisor) ^ 2;
            for (uint256 bits = 4; bits < 256; bits *= 2) {
                inverse *= 2 - divisor * inverse;
            }
            return low * inverse;
        }
    }

    /// @dev a · b in two words: modulo 2²⁵⁶ and modulo 2²⁵⁶ - 1 determine it.
    function _product(uint256 a, uint256 b) private pure returns (uint256 high, uint256 low) {
        unchecked {
            low = a * b;
            uint256 folded = mulmod(a, b, type(uint256).max);
            high = folded - low;
            if (folded < low) --high;
        }
    }
}
