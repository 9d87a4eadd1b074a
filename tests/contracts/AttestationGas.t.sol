// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAttestationRegistry} from "contracts/interfaces/IAttestationRegistry.sol";
import {ReadProbe} from "./ReadProbe.sol";
import {RegistrySetup} from "./RegistrySetup.sol";

/// @notice What a consumer pays to ask the registry; see `ReadProbe`. forge compares each figure with
///         `contracts/snapshots/attestation.json`.
/// forge-config: default.isolate = true
contract AttestationReadGasTest is RegistrySetup {
    function test_isValid() external {
        registry.register(requestAt(HEIGHT - 5));
        bytes memory call = abi.encodeCall(IAttestationRegistry.isValid, (signer));
        (uint256 cold, uint256 warm) = new ReadProbe().costs(address(registry), call);
        assertLe(cold, 7500, "cold");
        assertLe(warm, 1000, "warm");
        vm.snapshotValue("attestation", "isValid, cold", cold);
        vm.snapshotValue("attestation", "isValid, warm", warm);
    }

    /// @dev Neither is dearer where the answer is no.
    function test_isValid_OfAWithdrawnImage() external {
        registry.register(requestAt(HEIGHT - 5));
        policy.withdrawImage(IMAGE);
        bytes memory call = abi.encodeCall(IAttestationRegistry.isValid, (signer));
        (uint256 cold, uint256 warm) = new ReadProbe().costs(address(registry), call);
        assertLe(cold, 7500, "cold");
        assertLe(warm, 1000, "warm");
    }
}
