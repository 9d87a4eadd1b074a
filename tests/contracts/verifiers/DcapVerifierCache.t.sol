// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAttestationVerifier} from "contracts/interfaces/IAttestationVerifier.sol";
import {IDcapVerifier, KeptPck} from "contracts/interfaces/IDcapVerifier.sol";
import {IIntelCollateral} from "contracts/interfaces/IIntelCollateral.sol";
import {Der} from "contracts/libraries/Der.sol";
import {X509Crl} from "contracts/libraries/X509Crl.sol";
import {DcapFixture} from "../DcapFixture.sol";

/// @notice Machines: how they come to be kept, and how they go.
contract DcapVerifierCacheTest is DcapFixture {
    IDcapVerifier private verifier;
    bytes32 private caId;
    bytes32 private pckId;
    bytes32 private hwId;
    bytes private certificate;
    bytes private list;

    function setUp() external {
        load();
        verifier = deployVerifier();
        caId = wordAt(".ca.id");
        pckId = wordAt(".pck.pckId");
        hwId = keccak256(abi.encodePacked(uint8(1), bytesAt(".pck.ppid")));
        certificate = bytesAt(".pck.certificate");
        list = serials();
    }

    function test_cachePck_KeepsTheMachine() external {
        assertEq(verifier.cachePck(certificate, caId, list), pckId, "id");
        KeptPck memory kept = verifier.pck(pckId);
        assertEq(kept.validUntil, numberAt(".pck.notAfter"), "end");
        assertEq(kept.epoch, 1, "epoch");
        assertEq(kept.serial, serialOf(certificate), "serial");
    }

    function test_cachePck_TakesOneSlot() external {
        vm.record();
        verifier.cachePck(certificate, caId, list);
        (, bytes32[] memory writes) = vm.accesses(address(verifier));
        assertEq(writes.length, 1, "writes");
    }

    function test_cachePck_PublishesTheWholeCertificate() external {
        vm.expectEmit();
        emit IDcapVerifier.PckCached(
            pckId, caId, hwId, uint40(numberAt(".pck.notAfter")), certificate
        );
        verifier.cachePck(certificate, caId, list);
    }

    function test_addEndorsements_IsCachePck() external {
        vm.expectEmit();
        emit IDcapVerifier.PckCached(
            pckId, caId, hwId, uint40(numberAt(".pck.notAfter")), certificate
        );
        verifier.addEndorsements(abi.encode(certificate, caId, list));
        assertEq(verifier.pck(pckId).validUntil, numberAt(".pck.notAfter"), "end");
    }

    function test_addEndorsements_RevertWhen_TheyAreCut() external {
        bytes memory endorsements = abi.encode(certificate, caId, list);
        bytes memory shorter = new bytes(endorsements.length - 64);
        for (uint256 i; i < shorter.length; ++i) {
            shorter[i] = endorsements[i];
        }
        vm.expectRevert();
        verifier.addEndorsements(shorter);
        vm.expectRevert();
        verifier.addEndorsements("");
    }

    function test_cachePck_EndsNoLaterThanItsCa() external {
        bytes32 soon = collateral.cacheAuthority(bytesAt(".acceptedCa.endsSoon"));
        collateral.updatePckCrl(bytesAt(".collateral.pckCrl"), soon);
        bytes32 id = verifier.cachePck(certificate, soon, list);
        assertEq(verifier.pck(id).validUntil, collateral.authority(soon).validUntil, "end");
        assertTrue(id != pckId, "another machine");
    }

    function test_cachePck_IgnoresAnUnknownExtensionThatIsNotCritical() external {
        bytes memory other = bytesAt(".acceptedPck.unknownExtension");
        assertEq(verifier.cachePck(other, caId, list), pckId, "id");
    }

    /// @dev Nobody shortens or revives anything by bringing another certificate of the machine.
    function test_cachePck_KeepsTheLaterEnd() external {
        bytes memory earlier = bytesAt(".acceptedPck.earlier");
        bytes memory later = bytesAt(".acceptedPck.later");
        verifier.cachePck(earlier, caId, list);
        assertEq(verifier.pck(pckId).serial, serialOf(earlier), "earlier");
        verifier.cachePck(later, caId, list);
        assertEq(verifier.pck(pckId).serial, serialOf(later), "later");
        uint256 end = verifier.pck(pckId).validUntil;
        assertEq(end, numberAt(".pck.notAfter") + 30 days, "end");
        verifier.cachePck(earlier, caId, list);
        verifier.cachePck(certificate, caId, list);
        assertEq(verifier.pck(pckId).validUntil, end, "end");
        assertEq(verifier.pck(pckId).serial, serialOf(later), "still later");
    }

    function test_cachePck_ReplacesWhatIsOfAnEarlierEpoch() external {
        verifier.cachePck(bytesAt(".acceptedPck.later"), caId, list);
        vm.warp(block.timestamp + 1 hours);
        collateral.updateRootCrl(bytesAt(".collateral.laterRootCrl"));
        vm.expectPartialRevert(IIntelCollateral.IntelCollateral_Epoch.selector);
        verifier.cachePck(certificate, caId, list);
        bringAll("");
        verifier.cachePck(certificate, caId, list);
        assertEq(verifier.pck(pckId).epoch, 2, "epoch");
        assertEq(verifier.pck(pckId).serial, serialOf(certificate), "serial");
    }

    function test_cachePck_RevertWhen_CaIsUnknownOrNone() external {
        bytes32 signerId = wordAt(".collateral.signerId");
        vm.expectPartialRevert(IIntelCollateral.IntelCollateral_UnknownAuthority.selector);
        verifier.cachePck(certificate, keccak256("no CA"), list);
        vm.expectPartialRevert(IIntelCollateral.IntelCollateral_AuthorityKind.selector);
        verifier.cachePck(certificate, signerId, list);
    }

    function test_cachePck_RevertWhen_CaHasNoList() external {
        bytes32 soon = collateral.cacheAuthority(bytesAt(".acceptedCa.endsSoon"));
        vm.expectPartialRevert(IIntelCollateral.IntelCollateral_Missing.selector);
        verifier.cachePck(certificate, soon, list);
    }

    function test_cachePck_RevertWhen_CaRevokedIt() external {
        revoke();
        refuse(
            certificate, bytesAt(".collateral.revokingSerials"), X509Crl.X509Crl_Revoked.selector
        );
        refuse(certificate, list, X509Crl.X509Crl_Commitment.selector);
    }

    function test_cachePck_RevertWhen_TheListIsAnother() external {
        refuse(certificate, "", X509Crl.X509Crl_Commitment.selector);
        refuse(certificate, bytes.concat(list, hex"00"), X509Crl.X509Crl_Commitment.selector);
    }

    function test_cachePck_RevertWhen_ItIsTooLong() external {
        bytes memory long = new bytes(4097);
        vm.expectRevert(
            abi.encodeWithSelector(IDcapVerifier.DcapVerifier_TooLong.selector, 4097, 4096)
        );
        verifier.cachePck(long, caId, list);
        bytes memory longList = new bytes(49_153);
        vm.expectRevert(
            abi.encodeWithSelector(IDcapVerifier.DcapVerifier_TooLong.selector, 49_153, 49_152)
        );
        verifier.cachePck(certificate, caId, longList);
    }

    function test_cachePck_RevertWhen_LeafCouldActAsCa() external {
        refuse("isCa", IDcapVerifier.DcapVerifier_LeafIsCa.selector);
        refuse("certSign", IDcapVerifier.DcapVerifier_KeyUsage.selector);
    }

    function test_cachePck_RevertWhen_LeafMayNotSign() external {
        refuse("noSignature", IDcapVerifier.DcapVerifier_KeyUsage.selector);
    }

    function test_cachePck_RevertWhen_LeafNamesNoMachine() external {
        refuse("noSgx", IDcapVerifier.DcapVerifier_NoSgxExtension.selector);
    }

    function test_cachePck_RevertWhen_NowIsOutsideItsValidity() external {
        refuse("expired", IDcapVerifier.DcapVerifier_CertificateExpired.selector);
        refuse("notYetValid", IDcapVerifier.DcapVerifier_CertificateNotYetValid.selector);
    }

    function test_cachePck_RevertWhen_AnotherKeySigned() external {
        bytes4 selector = IDcapVerifier.DcapVerifier_CertificateSignature.selector;
        refuse("signedByRoot", selector);
        refuse("signedByItself", selector);
        refuse("foreign", selector);
    }

    function test_cachePck_RevertWhen_IssuerIsNotTheCa() external {
        bytes4 selector = IDcapVerifier.DcapVerifier_IssuerMismatch.selector;
        refuse("otherIssuer", selector);
        refuse(bytesAt(".ca.certificate"), list, selector);
    }

    function test_cachePck_RevertWhen_BytesFollow() external {
        refuse(bytes.concat(certificate, hex"00"), list, Der.Der_TrailingBytes.selector);
    }

    function test_evictPck_ForgetsARevokedMachine() external {
        verifier.cachePck(certificate, caId, list);
        bytes memory revoking = revoke();
        bytes memory evidence = bytesAt(".quotes.SGX_V3.evidence");
        bytes memory known = hints("SGX_V3");
        verifier.verify(evidence, known);
        vm.expectEmit();
        emit IDcapVerifier.PckEvicted(pckId, caId, hwId);
        vm.prank(address(0xa11ce));
        verifier.evictPck(certificate, caId, revoking);
        assertEq(verifier.pck(pckId).validUntil, 0, "end");
        vm.expectRevert(
            abi.encodeWithSelector(IDcapVerifier.DcapVerifier_UnknownPck.selector, pckId)
        );
        verifier.verify(evidence, known);
    }

    /// @dev Another certificate of the same machine, which its CA did not revoke, brings it back.
    function test_evictPck_LeavesTheMachinesOtherCertificates() external {
        verifier.cachePck(certificate, caId, list);
        bytes memory revoking = revoke();
        verifier.evictPck(certificate, caId, revoking);
        verifier.cachePck(bytesAt(".acceptedPck.earlier"), caId, revoking);
        uint160 serial = verifier.pck(pckId).serial;
        vm.expectRevert(
            abi.encodeWithSelector(IDcapVerifier.DcapVerifier_NotRevoked.selector, serial)
        );
        verifier.evictPck(certificate, caId, revoking);
    }

    function test_evictPck_RevertWhen_MachineIsNotKept() external {
        bytes memory revoking = revoke();
        bytes memory unknown =
            abi.encodeWithSelector(IDcapVerifier.DcapVerifier_UnknownPck.selector, pckId);
        vm.expectRevert(unknown);
        verifier.evictPck(certificate, caId, revoking);
    }

    function test_evictPck_RevertWhen_CertificateIsNotOnTheList() external {
        verifier.cachePck(certificate, caId, list);
        uint160 serial = serialOf(certificate);
        vm.expectRevert(
            abi.encodeWithSelector(IDcapVerifier.DcapVerifier_NotRevoked.selector, serial)
        );
        verifier.evictPck(certificate, caId, list);
    }

    /// @dev Who invents a certificate of the machine with a serial number that is on the list
    ///      evicts nobody.
    function test_evictPck_RevertWhen_OnlyAnInventedCertificateIsOnTheList() external {
        verifier.cachePck(certificate, caId, list);
        bytes memory invented = bytes.concat(certificate);
        uint256 where = serialAt(certificate);
        for (uint256 i; i < 20; ++i) {
            invented[where + i] = list[i];
        }
        bytes4 selector = IDcapVerifier.DcapVerifier_NotRevoked.selector;
        vm.expectRevert(abi.encodeWithSelector(selector, serialOf(certificate)));
        verifier.evictPck(invented, caId, list);
    }

    function test_evictPck_RevertWhen_TheListIsAnother() external {
        verifier.cachePck(certificate, caId, list);
        bytes memory revoking = bytesAt(".collateral.revokingSerials");
        vm.expectPartialRevert(X509Crl.X509Crl_Commitment.selector);
        verifier.evictPck(certificate, caId, revoking);
        revoke();
        vm.expectPartialRevert(X509Crl.X509Crl_Commitment.selector);
        verifier.evictPck(certificate, caId, list);
    }

    function test_evictPck_RevertWhen_TheListHasEnded() external {
        verifier.cachePck(certificate, caId, list);
        bytes memory revoking = revoke();
        vm.warp(block.timestamp + 40 days);
        vm.expectPartialRevert(IIntelCollateral.IntelCollateral_Expired.selector);
        verifier.evictPck(certificate, caId, revoking);
    }

    function test_evictPck_RevertWhen_CertificateNamesNoMachine() external {
        bytes memory other = bytesAt(".refusedPck.noSgx");
        vm.expectPartialRevert(IDcapVerifier.DcapVerifier_NoSgxExtension.selector);
        verifier.evictPck(other, caId, list);
        vm.expectPartialRevert(IDcapVerifier.DcapVerifier_TooLong.selector);
        verifier.evictPck(new bytes(4097), caId, list);
    }

    /// @dev The CA's next list names the machine's certificate.
    function revoke() private returns (bytes memory revoking) {
        vm.warp(block.timestamp + 1 hours);
        collateral.updatePckCrl(bytesAt(".collateral.revokingPckCrl"), caId);
        revoking = bytesAt(".collateral.revokingSerials");
    }

    function refuse(string memory name, bytes4 selector) private {
        refuse(bytesAt(string.concat(".refusedPck.", name)), list, selector);
    }

    function refuse(bytes memory other, bytes memory with, bytes4 selector) private {
        vm.expectPartialRevert(selector);
        verifier.cachePck(other, caId, with);
    }

    /// @dev After the heads of certificate and signed part, and the version.
    function serialAt(bytes memory der) private pure returns (uint256) {
        uint256 size = uint8(der[4 + 4 + 5 + 1]);
        return 4 + 4 + 5 + 2 + size - 20;
    }

    function serialOf(bytes memory der) private pure returns (uint160) {
        return uint160(bytes20(Der.word(der, serialAt(der))));
    }
}
