// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice What ends a registration. The numbers are shared with the Python side.
library LifeCause {
    /// @dev There is no registration.
    uint8 internal constant NONE = 0;
    /// @dev The longest life that the image's policy allows.
    uint8 internal constant AGE = 1;
    /// @dev A certificate that the evidence stands on.
    uint8 internal constant CERTIFICATE = 2;
    /// @dev The vendor's collateral and the policy's grace after it.
    uint8 internal constant COLLATERAL = 3;
    /// @dev The policy's grace after the vendor made the next evaluation number public.
    uint8 internal constant RECOVERY = 4;
    /// @dev A re-check that the policy refused.
    uint8 internal constant APPRAISAL = 5;
    /// @dev The signer was revoked. Never in a record, which has a bit for it.
    uint8 internal constant REVOKED = 6;
    /// @dev The signer's image was withdrawn. Never in a record.
    uint8 internal constant WITHDRAWN = 7;
}
