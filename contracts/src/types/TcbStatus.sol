// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice What a vendor's signed collateral says of a security version level. The numbers are
///         shared with the Python side; 0 says that a level was not appraised.
/// @dev Reference: Intel PCS API v4, `tcbStatus` of TCB info and enclave identity.
library TcbStatus {
    uint8 internal constant UP_TO_DATE = 1;
    uint8 internal constant SW_HARDENING_NEEDED = 2;
    uint8 internal constant CONFIGURATION_NEEDED = 3;
    uint8 internal constant CONFIGURATION_AND_SW_HARDENING_NEEDED = 4;
    uint8 internal constant OUT_OF_DATE = 5;
    uint8 internal constant OUT_OF_DATE_CONFIGURATION_NEEDED = 6;
    uint8 internal constant REVOKED = 7;
}
