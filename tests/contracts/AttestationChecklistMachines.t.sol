// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDcapVerifier, KeptPck} from "contracts/interfaces/IDcapVerifier.sol";
import {IIntelCollateral} from "contracts/interfaces/IIntelCollateral.sol";
import {X509Crl} from "contracts/libraries/X509Crl.sol";
import {DcapFixture} from "./DcapFixture.sol";

/// @notice The part of `AttestationChecklist.t.sol` that is about machines: their certificates, what
///         is kept of them, and quotes under it.
contract AttestationChecklistMachinesTest is DcapFixture {
    IDcapVerifier private verifier;
    bytes32 private caId;
    bytes private certificate;
    bytes private list;

    function setUp() external {
        load();
        verifier = deployVerifier();
        caId = wordAt(".ca.id");
        certificate = bytesAt(".pck.certificate");
        list = serials();
    }

    /// @dev No good link makes up for a bad one, in whatever order they come; and wherever a serial
    ///      number stands in a list, it is found.
    function test_stickyBooleansInChainLoops() external {
        verifier.cachePck(certificate, caId, list);
        bytes4 signature = IDcapVerifier.DcapVerifier_CertificateSignature.selector;
        string[3] memory wrong = ["signedByRoot", "signedByItself", "foreign"];
        for (uint256 i; i < wrong.length; ++i) {
            refuse(bytesAt(string.concat(".refusedPck.", wrong[i])), caId, list, signature);
            verifier.cachePck(certificate, caId, list);
        }
        uint160 serial = uint160(bytes20(keccak256("revoked")));
        for (uint256 place; place < 20; ++place) {
            bytes memory named =
                bytes.concat(new bytes(20 * place), bytes20(serial), new bytes(20 * (19 - place)));
            assertTrue(X509Crl.isListed(X509Crl.digest(named), named, serial), "found");
            assertTrue(!X509Crl.isListed(X509Crl.digest(named), named, serial + 1), "no other");
        }
    }

    /// @dev Key identifiers prove nothing, there or not; the issuer's key does.
    function test_emptyAkiAndSkiEquality() external {
        bytes4 signature = IDcapVerifier.DcapVerifier_CertificateSignature.selector;
        refuse(bytesAt(".refusedPck.noKeyIdentifiers"), caId, list, signature);
        // Names and identifiers are those of another vendor's chain, or the genuine ones.
        refuse(bytesAt(".refusedPck.foreign"), caId, list, signature);
        refuse(bytesAt(".refusedPck.signedByItself"), caId, list, signature);
    }

    /// @dev Of the leaf, not of its issuer; and what is evicted is what is kept, not what is shown.
    function test_wrongSerialInCrlLookup() external {
        verifier.cachePck(bytesAt(".acceptedPck.later"), caId, list);
        revoke();
        bytes memory revoking = bytesAt(".collateral.revokingSerials");
        refuse(certificate, caId, revoking, X509Crl.X509Crl_Revoked.selector);
        // The list names the first certificate of this machine; it is kept by another.
        vm.expectPartialRevert(IDcapVerifier.DcapVerifier_NotRevoked.selector);
        verifier.evictPck(certificate, caId, revoking);
        verifier.cachePck(bytesAt(".acceptedPck.later"), caId, revoking);
    }

    /// @dev Another list is none, though it be newer, emptier, or the root's.
    function test_crlIsNotBoundToIssuer() external {
        bytes4 commitment = X509Crl.X509Crl_Commitment.selector;
        refuse(certificate, caId, bytesAt(".collateral.revokingSerials"), commitment);
        refuse(certificate, caId, "", commitment);
    }

    function test_validityIsAndNotOr() external {
        refuse(
            bytesAt(".refusedPck.expired"),
            caId,
            list,
            IDcapVerifier.DcapVerifier_CertificateExpired.selector
        );
        refuse(
            bytesAt(".refusedPck.notYetValid"),
            caId,
            list,
            IDcapVerifier.DcapVerifier_CertificateNotYetValid.selector
        );
    }

    /// @dev A machine under a CA that ends soon ends with it, though its own certificate does not.
    function test_cachedAncestorsExpiry() external {
        bytes32 ending = collateral.cacheAuthority(bytesAt(".acceptedCa.endsSoon"));
        collateral.updatePckCrl(bytesAt(".collateral.pckCrl"), ending);
        KeptPck memory kept = verifier.pck(verifier.cachePck(certificate, ending, list));
        assertEq(kept.validUntil, collateral.authority(ending).validUntil, "end");
        assertTrue(kept.validUntil < numberAt(".pck.notAfter"), "before its own");
        bytes memory evidence = bytesAt(".quotes.SGX_V3.evidence");
        bytes memory known = hints("SGX_V3");
        for (uint256 i; i < 32; ++i) {
            known[64 + i] = ending[i];
        }
        vm.warp(kept.validUntil);
        assertEq(verifier.verify(evidence, known).notAfter, kept.validUntil, "certificates' end");
        vm.warp(kept.validUntil + 1);
        vm.expectPartialRevert(IIntelCollateral.IntelCollateral_Expired.selector);
        verifier.verify(evidence, known);
    }

    function test_leafUsedAsCa() external {
        bytes32 signerId = wordAt(".collateral.signerId");
        refuse(certificate, signerId, list, IIntelCollateral.IntelCollateral_AuthorityKind.selector);
        refuse(
            certificate,
            wordAt(".pck.id"),
            list,
            IIntelCollateral.IntelCollateral_UnknownAuthority.selector
        );
        bytes4 selector = IDcapVerifier.DcapVerifier_LeafIsCa.selector;
        refuse(bytesAt(".refusedPck.isCa"), caId, list, selector);
        selector = IDcapVerifier.DcapVerifier_KeyUsage.selector;
        refuse(bytesAt(".refusedPck.certSign"), caId, list, selector);
    }

    function test_trailingBytes() external {
        verifier.cachePck(certificate, caId, list);
        bytes memory evidence = bytesAt(".quotes.SGX_V3.evidence");
        bytes memory known = hints("SGX_V3");
        vm.expectPartialRevert(IDcapVerifier.DcapVerifier_QeReportData.selector);
        verifier.verify(bytes.concat(evidence, hex"00"), known);
        vm.expectPartialRevert(IDcapVerifier.DcapVerifier_HintsLeft.selector);
        verifier.verify(evidence, bytes.concat(known, hex"00"));
    }

    /// @dev What was revoked and evicted is kept no more, whoever brings it again.
    function test_reTrustingRevokedIds() external {
        bytes32 pckId = verifier.cachePck(certificate, caId, list);
        revoke();
        bytes memory revoking = bytesAt(".collateral.revokingSerials");
        verifier.evictPck(certificate, caId, revoking);
        assertEq(verifier.pck(pckId).validUntil, 0, "evicted");
        refuse(certificate, caId, revoking, X509Crl.X509Crl_Revoked.selector);
        refuse(certificate, caId, list, X509Crl.X509Crl_Commitment.selector);
    }

    /// @dev The CA's next list names the machine's certificate.
    function revoke() private {
        vm.warp(block.timestamp + 1 hours);
        collateral.updatePckCrl(bytesAt(".collateral.revokingPckCrl"), caId);
    }

    function refuse(bytes memory leaf, bytes32 authority, bytes memory revoked, bytes4 selector)
        private
    {
        vm.expectPartialRevert(selector);
        verifier.cachePck(leaf, authority, revoked);
    }
}
