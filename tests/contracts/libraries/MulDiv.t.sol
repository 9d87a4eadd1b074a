// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MulDiv} from "contracts/libraries/MulDiv.sol";

import {Test} from "../Vm.sol";

contract MulDivTest is Test {
    uint256 private constant MAX = type(uint256).max;

    /// @dev A call of its own, for `expectRevert`.
    function mulDiv(uint256 a, uint256 b, uint256 divisor) external pure returns (uint256) {
        return MulDiv.mulDiv(a, b, divisor);
    }

    function testFuzz_mulDiv_IsTheFloorOfTheExactQuotient(uint256 a, uint256 b, uint256 divisor)
        external
        view
    {
        _assertFloor(a, b, divisor);
    }

    /// @dev Small shifts make all sizes of operands and divisors with a power of two as likely.
    function testFuzz_mulDiv_IsTheFloorForAllSizes(
        uint256 a,
        uint256 b,
        uint256 divisor,
        uint8 shiftA,
        uint8 shiftB,
        uint8 shiftDivisor,
        uint8 twos
    ) external view {
        _assertFloor(a >> shiftA, b >> shiftB, divisor >> shiftDivisor << twos);
    }

    function testVector_mulDiv() external pure {
        assertEq(MulDiv.mulDiv(MAX, MAX, MAX), MAX, "the largest quotient");
        assertEq(MulDiv.mulDiv(MAX, 1, 1), MAX, "by one");
        assertEq(MulDiv.mulDiv(0, MAX, 3), 0, "nothing");
        assertEq(MulDiv.mulDiv(2 ** 255, 2 ** 255, 2 ** 255), 2 ** 255, "powers of two");
        assertEq(MulDiv.mulDiv(MAX, MAX - 1, MAX), MAX - 1, "just below");
        assertEq(MulDiv.mulDiv(MAX, 2, 3), 2 * (MAX / 3), "odd divisor");
        assertEq(MulDiv.mulDiv(7, 5, 4), 8, "rounds down");
        // floor((2^256 - 1) * 10^18 / (10^18 + 1))
        assertEq(
            MulDiv.mulDiv(MAX, 1e18, 1e18 + 1),
            MAX - MAX / (1e18 + 1) - 1,
            "a remainder across the words"
        );
    }

    function test_mulDiv_RevertWhen_TheQuotientDoesNotFit() external {
        _assertOverflow(MAX, 2, 1);
        _assertOverflow(2 ** 128, 2 ** 128, 1);
        _assertOverflow(MAX, MAX, MAX - 1);
    }

    function test_mulDiv_RevertWhen_TheDivisorIsZero() external {
        _assertOverflow(0, 0, 0);
        _assertOverflow(3, 5, 0);
        _assertOverflow(MAX, MAX, 0);
    }

    function _assertOverflow(uint256 a, uint256 b, uint256 divisor) private {
        vm.expectRevert(abi.encodeWithSelector(MulDiv.MulDiv_Overflow.selector, a, b, divisor));
        this.mulDiv(a, b, divisor);
    }

    /// @dev quotient * divisor <= a * b < (quotient + 1) * divisor, in words of 512 bits; or a revert,
    ///      and then a * b >= 2^256 * divisor.
    function _assertFloor(uint256 a, uint256 b, uint256 divisor) private view {
        (uint256 high, uint256 low) = _long(a, b);
        try this.mulDiv(a, b, divisor) returns (uint256 quotient) {
            (uint256 high2, uint256 low2) = _long(quotient, divisor);
            assertTrue(high2 < high || (high2 == high && low2 <= low), "too large");
            unchecked {
                uint256 rest = low - low2;
                uint256 borrow = low < low2 ? 1 : 0;
                assertEq(high - high2 - borrow, 0, "far too small");
                assertTrue(rest < divisor, "too small");
            }
        } catch {
            assertTrue(high >= divisor, "refused");
        }
    }

    /// @dev The product as taught in school, with digits of 128 bits.
    function _long(uint256 a, uint256 b) private pure returns (uint256 high, uint256 low) {
        unchecked {
            (uint256 a1, uint256 a0) = (a >> 128, uint128(a));
            (uint256 b1, uint256 b0) = (b >> 128, uint128(b));
            uint256 middle = a1 * b0 + (a0 * b0 >> 128);
            uint256 middle2 = a0 * b1 + uint128(middle);
            low = a * b;
            high = a1 * b1 + (middle >> 128) + (middle2 >> 128);
        }
    }
}
