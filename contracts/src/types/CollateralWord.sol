// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Collateral} from "../interfaces/IIntelCollateral.sol";

/// @notice A `Collateral` as it is stored, in one word, for those who need two or three of its
///         fields. From the high end: epoch 16 | validUntil 40 | issuedAt 40 | number 32 | digest
///         128.
type CollateralWord is uint256;

using CollateralWords for CollateralWord global;

library CollateralWords {
    uint256 private constant ISSUED_AT_SHIFT = 160;
    uint256 private constant VALID_UNTIL_SHIFT = 200;
    uint256 private constant EPOCH_SHIFT = 240;

    function load(Collateral storage kept) internal view returns (CollateralWord word) {
        assembly ("memory-safe") {
            word := sload(kept.slot)
        }
    }

    function digest(CollateralWord word) internal pure returns (bytes16) {
        return bytes16(bytes32(CollateralWord.unwrap(word) << 128));
    }

    /// @notice 0 when there is none.
    function issuedAt(CollateralWord word) internal pure returns (uint40) {
        // forge-lint: disable-next-line(unsafe-typecast) takes 40 bits out of a word
        return uint40(CollateralWord.unwrap(word) >> ISSUED_AT_SHIFT);
    }

    function validUntil(CollateralWord word) internal pure returns (uint40) {
        // forge-lint: disable-next-line(unsafe-typecast) takes 40 bits out of a word
        return uint40(CollateralWord.unwrap(word) >> VALID_UNTIL_SHIFT);
    }

    function epoch(CollateralWord word) internal pure returns (uint16) {
        // forge-lint: disable-next-line(unsafe-typecast) the uppermost 16 bits
        return uint16(CollateralWord.unwrap(word) >> EPOCH_SHIFT);
    }
}
