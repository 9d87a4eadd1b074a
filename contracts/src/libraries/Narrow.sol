// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Conversions to narrower types that revert instead of cutting
library Narrow {
    /// @notice The number does not fit.
    error Narrow_TooWide(uint256 seen, uint256 wanted);
    /// @notice The number is negative.
    error Narrow_Negative(int256 seen);

    function u8(uint256 wide) internal pure returns (uint8) {
        require(wide <= type(uint8).max, Narrow_TooWide(wide, type(uint8).max));
        // forge-lint: disable-next-line(unsafe-typecast) the line above checks the range
        return uint8(wide);
    }

    function u16(uint256 wide) internal pure returns (uint16) {
        require(wide <= type(uint16).max, Narrow_TooWide(wide, type(uint16).max));
        // forge-lint: disable-next-line(unsafe-typecast) the line above checks the range
        return uint16(wide);
    }

    function u32(uint256 wide) internal pure returns (uint32) {
        require(wide <= type(uint32).max, Narrow_TooWide(wide, type(uint32).max));
        // forge-lint: disable-next-line(unsafe-typecast) the line above checks the range
        return uint32(wide);
    }

    function u40(uint256 wide) internal pure returns (uint40) {
        require(wide <= type(uint40).max, Narrow_TooWide(wide, type(uint40).max));
        // forge-lint: disable-next-line(unsafe-typecast) the line above checks the range
        return uint40(wide);
    }

    function u64(uint256 wide) internal pure returns (uint64) {
        require(wide <= type(uint64).max, Narrow_TooWide(wide, type(uint64).max));
        // forge-lint: disable-next-line(unsafe-typecast) the line above checks the range
        return uint64(wide);
    }

    function u128(uint256 wide) internal pure returns (uint128) {
        require(wide <= type(uint128).max, Narrow_TooWide(wide, type(uint128).max));
        // forge-lint: disable-next-line(unsafe-typecast) the line above checks the range
        return uint128(wide);
    }

    function positive(int256 signed) internal pure returns (uint256) {
        require(signed >= 0, Narrow_Negative(signed));
        // forge-lint: disable-next-line(unsafe-typecast) the line above checks the sign
        return uint256(signed);
    }
}
