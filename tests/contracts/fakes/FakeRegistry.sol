// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SignerInfo} from "contracts/interfaces/IAttestationRegistry.sol";
import {ISignerSet} from "contracts/interfaces/ISignerSet.sol";
import {LifeCause} from "contracts/types/LifeCause.sol";
import {Tier, TeeKind} from "contracts/types/Tee.sol";

/// @notice What a signer set asks of the registry, without evidence. For tests alone.
contract FakeRegistry {
    mapping(address signer => SignerInfo info) private _infos;

    function register(address signer, address operator, uint8 tee, uint8 tier, uint64 expiresAt)
        public
    {
        _infos[signer] = SignerInfo({
            operator: operator,
            registeredAt: uint64(block.timestamp),
            expiresAt: expiresAt,
            imageId: bytes32(uint256(1)),
            tee: tee,
            tier: tier,
            cause: LifeCause.AGE,
            revoked: false,
            valid: true
        });
    }

    function register(address signer, address operator) external {
        register(signer, operator, TeeKind.SGX, Tier.DIRECT, uint64(block.timestamp + 30 days));
    }

    function revoke(address signer, ISignerSet signerSet) external {
        _infos[signer].revoked = true;
        signerSet.clearFor(signer);
    }

    function signerInfo(address signer) external view returns (SignerInfo memory info) {
        info = _infos[signer];
        info.valid =
            info.operator != address(0) && !info.revoked && block.timestamp < info.expiresAt;
    }
}
