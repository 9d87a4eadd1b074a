// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Claims, IAttestationVerifier} from "contracts/interfaces/IAttestationVerifier.sol";

/// @notice Claims what its evidence says: ABI-encoded claims. For tests of the registry alone.
contract FakeVerifier is IAttestationVerifier {
    error FakeVerifier_NotGenuine();
    error FakeVerifier_CollateralEnded();

    uint8 private immutable _tier;

    constructor(uint8 tier_) {
        _tier = tier_;
    }

    /// @notice The last endorsements that were brought.
    bytes public endorsements;

    function addEndorsements(bytes calldata brought) external {
        endorsements = brought;
    }

    function verify(bytes calldata evidence, bytes calldata)
        external
        view
        returns (Claims memory claims)
    {
        require(evidence.length != 0, FakeVerifier_NotGenuine());
        claims = abi.decode(evidence, (Claims));
        require(claims.collateralUntil >= block.timestamp, FakeVerifier_CollateralEnded());
    }

    function tier() external view returns (uint8) {
        return _tier;
    }

    function name() external pure returns (string memory) {
        return "fake/1";
    }
}
