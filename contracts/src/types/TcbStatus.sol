// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice What a vendor's signed collateral says of security versions, and what that comes to for
///         a platform of several parts. The numbers are shared with the Python side; 0 says that
///         nothing was appraised.
/// @dev Reference: Intel PCS API v4, `tcbStatus` of TCB info and enclave identity; the
///      last two are of Intel's quote verification library, which advises to relaunch a trust
///      domain.
library TcbStatus {
    uint8 internal constant UP_TO_DATE = 1;
    uint8 internal constant SW_HARDENING_NEEDED = 2;
    uint8 internal constant CONFIGURATION_NEEDED = 3;
    uint8 internal constant CONFIGURATION_AND_SW_HARDENING_NEEDED = 4;
    uint8 internal constant OUT_OF_DATE = 5;
    uint8 internal constant OUT_OF_DATE_CONFIGURATION_NEEDED = 6;
    uint8 internal constant REVOKED = 7;
    /// @dev The platform is in date, but the trust domain was launched before it was.
    uint8 internal constant TD_RELAUNCH_ADVISED = 8;
    uint8 internal constant TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED = 9;

    uint256 private constant HARDENING = 1;
    uint256 private constant CONFIGURATION = 2;
    uint256 private constant LATE = 4;
    uint256 private constant GONE = 8;
    /// @dev For each status of a level, from 0 in the lowest byte, what it asks for.
    uint256 private constant ASKED = 0x08_06_04_03_02_01_00_00;

    /// @notice The number is no status of a level.
    error TcbStatus_Unknown(uint8 seen);

    /// @notice The status of parts that are used together: all that any of them asks for. Who is out
    ///         of date is not told to harden software: to update comes first.
    /// @param one Of a level: `UP_TO_DATE` to `REVOKED`.
    /// @param other Likewise.
    function merge(uint8 one, uint8 other) internal pure returns (uint8) {
        uint256 both = _asked(one) | _asked(other);
        if (both & GONE != 0) return REVOKED;
        if (both & LATE != 0) {
            return both & CONFIGURATION == 0 ? OUT_OF_DATE : OUT_OF_DATE_CONFIGURATION_NEEDED;
        }
        // forge-lint: disable-next-line(unsafe-typecast) two bits
        return UP_TO_DATE + uint8(both & (HARDENING | CONFIGURATION));
    }

    /// @notice The status of a trust domain whose TDX module was updated while it ran.
    /// @dev It is that at launch, unless it was out of date and would not be if launched now. A module
    ///      is never replaced by an older one; where a report says so, the launch counts, but
    ///      neither may be revoked. Reference: Intel SGX and TDX quote verification library,
    ///      `TDRelaunchCheck`.
    /// @param launch Merged, of the versions that it was launched with.
    /// @param present Merged, of the versions that the platform has now.
    function ofRelaunch(uint8 launch, uint8 present) internal pure returns (uint8) {
        uint256 before = _asked(launch);
        uint256 today = _asked(present);
        if (today & GONE != 0) return REVOKED;
        if (before & LATE == 0 || today & LATE != 0) return launch;
        return (before | today) & CONFIGURATION == 0
            ? TD_RELAUNCH_ADVISED
            : TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED;
    }

    function _asked(uint8 status) private pure returns (uint256) {
        require(status >= UP_TO_DATE && status <= REVOKED, TcbStatus_Unknown(status));
        return (ASKED >> (8 * uint256(status))) & 0xff;
    }
}
