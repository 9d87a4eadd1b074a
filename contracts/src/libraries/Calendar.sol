// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice The civil (proleptic Gregorian) calendar.
library Calendar {
    /// @notice Whether there is such a day.
    function isDate(uint256 year, uint256 month, uint256 day) internal pure returns (bool) {
        return month > 0 && month < 13 && day > 0 && day <= _daysIn(year, month);
    }

    /// @notice Days since 1970-01-01; the date exists, is not earlier, and its year has four digits.
    /// @dev Years begin in March here: the leap day is the last.
    function daysSinceEpoch(uint256 year, uint256 month, uint256 day)
        internal
        pure
        returns (uint256)
    {
        unchecked {
            uint256 marchYear = month > 2 ? year : year - 1;
            uint256 dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
            uint256 leapDays = marchYear / 4 - marchYear / 100 + marchYear / 400;
            // 719,468 days lie between 0000-03-01 and 1970-01-01.
            return marchYear * 365 + leapDays + dayOfYear - 719_468;
        }
    }

    function _daysIn(uint256 year, uint256 month) private pure returns (uint256) {
        if (month == 2) {
            return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28;
        }
        return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
    }
}
