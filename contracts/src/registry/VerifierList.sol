// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Governed} from "../Governed.sol";
import {IAttestationRegistry} from "../interfaces/IAttestationRegistry.sol";
import {Claims, IAttestationVerifier} from "../interfaces/IAttestationVerifier.sol";
import {Tier} from "../types/Tee.sol";

/// @title The registry's verifiers and what they are asked; see `IAttestationRegistry`
abstract contract VerifierList is Governed, IAttestationRegistry {
    struct Verifier {
        address where;
        uint8 tier;
    }

    uint256 private constant MAX_EVIDENCE_BYTES = 8192;
    uint256 private constant MAX_HINTS_BYTES = 16_384;
    uint256 private constant MAX_ENDORSEMENTS_BYTES = 16_384;

    uint16 private _verifierCount;
    mapping(uint16 verifierId => Verifier verifier) private _verifiers;
    mapping(address verifier => bool isKnown) private _isKnownVerifier;

    /// @inheritdoc IAttestationRegistry
    function addVerifier(address verifier) external onlySelf returns (uint16 verifierId) {
        require(verifier.code.length > 0, AttestationRegistry_NoCode(verifier));
        require(!_isKnownVerifier[verifier], AttestationRegistry_KnownVerifier(verifier));
        require(_verifierCount < type(uint16).max, AttestationRegistry_VerifiersFull());
        uint8 tier = IAttestationVerifier(verifier).tier();
        require(
            tier >= Tier.DIRECT && tier <= Tier.DEV, AttestationRegistry_UnknownTier(tier, Tier.DEV)
        );
        require(
            tier != Tier.DEV || _isLocalChain(),
            AttestationRegistry_DevOnlyOnLocalChain(block.chainid)
        );
        verifierId = ++_verifierCount;
        _isKnownVerifier[verifier] = true;
        _verifiers[verifierId] = Verifier({where: verifier, tier: tier});
        emit VerifierAdded({
            verifierId: verifierId,
            verifier: verifier,
            tier: tier,
            name: IAttestationVerifier(verifier).name()
        });
    }

    /// @inheritdoc IAttestationRegistry
    function verifierAt(uint16 verifierId) external view returns (address) {
        return _verifiers[verifierId].where;
    }

    /// @dev What the verifier claims now. Where endorsements are brought this calls it with the
    ///      right to change state: what is read before may have changed after.
    function _claims(
        uint16 verifierId,
        bytes calldata evidence,
        bytes calldata hints,
        bytes calldata endorsements
    ) internal returns (Claims memory claims) {
        uint256 length = evidence.length;
        require(
            length <= MAX_EVIDENCE_BYTES,
            AttestationRegistry_EvidenceTooLong(length, MAX_EVIDENCE_BYTES)
        );
        length = hints.length;
        require(
            length <= MAX_HINTS_BYTES, AttestationRegistry_HintsTooLong(length, MAX_HINTS_BYTES)
        );
        length = endorsements.length;
        require(
            length <= MAX_ENDORSEMENTS_BYTES,
            AttestationRegistry_EndorsementsTooLong(length, MAX_ENDORSEMENTS_BYTES)
        );
        Verifier memory verifier = _verifiers[verifierId];
        // Not `require`, which would read the slot of the count each time.
        if (verifier.where == address(0)) {
            revert AttestationRegistry_UnknownVerifier(verifierId, _verifierCount);
        }
        if (length != 0) IAttestationVerifier(verifier.where).addEndorsements(endorsements);
        claims = IAttestationVerifier(verifier.where).verify(evidence, hints);
        require(
            claims.tier == verifier.tier,
            AttestationRegistry_ClaimedTier(claims.tier, verifier.tier)
        );
    }
}
