// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Claims} from "contracts/interfaces/IAttestationVerifier.sol";
import {IDcapVerifier} from "contracts/interfaces/IDcapVerifier.sol";
import {IIntelCollateral} from "contracts/interfaces/IIntelCollateral.sol";
import {P256} from "contracts/libraries/P256.sol";
import {Tier} from "contracts/types/Tee.sol";
import {Deploy} from "../Deploy.sol";
import {DcapFixture} from "../DcapFixture.sol";

/// @notice The verifier and what it stands on: the collateral's root, ends, epochs and numbers.
contract DcapVerifierCollateralTest is DcapFixture {
    uint256 private constant TCB_NUMBER = 138;
    uint256 private constant QE_NUMBER = 142;

    bytes private evidence;
    bytes private known;

    function setUp() external {
        load();
        evidence = bytesAt(".quotes.SGX_V3.evidence");
        known = hints("SGX_V3");
    }

    function test_constructor_HasTierAndP256OfItsCollateral() external {
        IDcapVerifier verifier = deployVerifier();
        assertEq(verifier.tier(), Tier.DEV, "tier");
        assertEq(bytes(verifier.name()), "dcap/1", "name");
        assertEq(address(verifier.collateral()), address(collateral), "collateral");
    }

    function test_constructor_RevertWhen_ThereIsNoCollateral() external {
        vm.expectRevert(
            abi.encodeWithSelector(IDcapVerifier.DcapVerifier_NoCode.selector, address(1))
        );
        Deploy.dcapVerifier(IIntelCollateral(address(1)));
    }

    /// @dev Where the chain has no P256VERIFY, and the collateral was told so.
    function test_verify_WorksInSolidityAlone() external {
        deployEmpty(false);
        bringAll("");
        vm.mockCall(P256.PRECOMPILE, "", "");
        IDcapVerifier verifier = Deploy.dcapVerifier(collateral);
        cache(verifier);
        assertEq(verifier.verify(evidence, known).tcbStatus, 1, "status");
        bytes memory altered = flipped(evidence, 8 * 100);
        vm.expectRevert(IDcapVerifier.DcapVerifier_QuoteSignature.selector);
        verifier.verify(altered, known);
    }

    /// @dev Its own end binds, inclusive, and is the end that the claims state.
    function test_verify_RevertWhen_ADocumentHasEnded() external {
        string[5] memory kinds = ["rootCrl", "pckCrl", "tcbInfo", "qeIdentity", "numbers"];
        uint256 start = block.timestamp;
        uint256 end = numberAt(".collateral.short.end");
        for (uint256 i; i < kinds.length; ++i) {
            vm.warp(start);
            deployCollateral(kinds[i]);
            IDcapVerifier verifier = Deploy.dcapVerifier(collateral);
            cache(verifier);
            vm.warp(end);
            assertEq(verifier.verify(evidence, known).collateralUntil, end, kinds[i]);
            vm.warp(end + 1);
            vm.expectRevert(
                abi.encodeWithSelector(
                    IIntelCollateral.IntelCollateral_Expired.selector, end, end + 1
                )
            );
            verifier.verify(evidence, known);
        }
    }

    /// @dev A CA that ends early ends its list, too.
    function test_verify_RevertWhen_TheCaHasEnded() external {
        IDcapVerifier verifier = deployVerifier();
        bytes32 caId = collateral.cacheAuthority(bytesAt(".acceptedCa.endsSoon"));
        collateral.updatePckCrl(bytesAt(".collateral.pckCrl"), caId);
        verifier.cachePck(bytesAt(".pck.certificate"), caId, serials());
        bytes memory other = with(known, 64, abi.encode(caId));
        uint256 end = collateral.authority(caId).validUntil;
        vm.warp(end);
        Claims memory claims = verifier.verify(evidence, other);
        assertEq(claims.notAfter, end, "the certificate's end");
        assertEq(claims.collateralUntil, end, "the list's end");
        vm.warp(end + 1);
        vm.expectPartialRevert(IIntelCollateral.IntelCollateral_Expired.selector);
        verifier.verify(evidence, other);
    }

    function test_verify_RevertWhen_TheMachinesCertificateHasEnded() external {
        IDcapVerifier verifier = deployCachedVerifier();
        uint256 end = numberAt(".pck.notAfter");
        // All documents are old by then; this collateral says that they are not.
        bytes memory live = abi.encode(
            collateral.tcbInfo(1, fmspc(), number()).digest,
            collateral.qeIdentity(1, number()).digest,
            bytes16(0),
            type(uint40).max,
            uint16(1)
        );
        vm.mockCall(
            address(collateral), abi.encodePacked(IIntelCollateral.quoteCollateral.selector), live
        );
        bytes memory undated = withoutNumbers();
        vm.warp(end);
        assertEq(verifier.verify(evidence, undated).notAfter, end, "end");
        vm.warp(end + 1);
        vm.expectRevert(
            abi.encodeWithSelector(
                IDcapVerifier.DcapVerifier_CertificateExpired.selector, end, end + 1
            )
        );
        verifier.verify(evidence, undated);
    }

    /// @dev After a revocation by the root nothing is believed that was not verified again.
    function test_verify_RevertWhen_MachineWasNotVerifiedInThisEpoch() external {
        IDcapVerifier verifier = deployCachedVerifier();
        vm.warp(block.timestamp + 1 hours);
        collateral.updateRootCrl(bytesAt(".collateral.laterRootCrl"));
        vm.expectPartialRevert(IIntelCollateral.IntelCollateral_Epoch.selector);
        verifier.verify(evidence, known);
        bringAll("");
        vm.expectRevert(abi.encodeWithSelector(IDcapVerifier.DcapVerifier_PckEpoch.selector, 1, 2));
        verifier.verify(evidence, known);
        cache(verifier);
        assertEq(verifier.verify(evidence, known).tcbStatus, 1, "status");
    }

    function test_verify_RevertWhen_CollateralIsEmpty() external {
        deployEmpty(true);
        IDcapVerifier verifier = Deploy.dcapVerifier(collateral);
        vm.expectPartialRevert(IIntelCollateral.IntelCollateral_Missing.selector);
        verifier.verify(evidence, known);
    }

    function test_verify_DatesTheNumber() external {
        Claims memory claims = verifyUnder(number(), number(), known);
        assertEq(claims.evaluationNumber, number(), "number");
        assertEq(claims.publicSince, numberAt(".collateral.publicSince"), "public since");
        assertEq(claims.supersededAt, type(uint64).max, "not superseded");
    }

    function test_verify_TellsWhenAnOlderNumberWasSuperseded() external {
        uint32 old = uint32(numberAt(".collateral.oldNumber"));
        Claims memory claims = verifyUnder(old, old, known);
        assertEq(claims.evaluationNumber, old, "number");
        assertEq(claims.publicSince, numberAt(".collateral.oldPublicSince"), "public since");
        assertEq(claims.supersededAt, numberAt(".collateral.publicSince"), "superseded");
    }

    /// @dev The lower one counts, and no date is claimed for a mixture.
    function test_verify_TakesTheLowerOfTwoNumbers() external {
        uint32 old = uint32(numberAt(".collateral.oldNumber"));
        for (uint256 i; i < 2; ++i) {
            Claims memory claims =
                verifyUnder(i == 0 ? old : number(), i == 0 ? number() : old, known);
            assertEq(claims.evaluationNumber, old, "number");
            assertEq(claims.publicSince, 0, "public since");
            assertEq(claims.supersededAt, numberAt(".collateral.publicSince"), "superseded");
        }
    }

    function test_verify_ClaimsNoDatesThatWereNotShown() external {
        Claims memory claims = deployCachedVerifier().verify(evidence, withoutNumbers());
        assertEq(claims.evaluationNumber, number(), "number");
        assertEq(claims.publicSince, 0, "public since");
        assertEq(claims.supersededAt, 0, "superseded");
        assertEq(claims.collateralUntil, numberAt(".collateral.until"), "end");
    }

    /// @dev Numbers that are not shown need not be there, or in date.
    function test_verify_NeedsNoNumbersThatAreNotShown() external {
        uint256 end = numberAt(".collateral.short.end");
        deployCollateral("numbers");
        IDcapVerifier verifier = Deploy.dcapVerifier(collateral);
        cache(verifier);
        vm.warp(end + 1);
        bytes memory undated = withoutNumbers();
        assertEq(verifier.verify(evidence, undated).supersededAt, 0, "superseded");
    }

    function test_verify_RevertWhen_NumbersAreNotThere() external {
        deployEmpty(true);
        collateral.cacheAuthority(bytesAt(".collateral.signer"));
        collateral.cacheAuthority(bytesAt(".ca.certificate"));
        collateral.updatePckCrl(bytesAt(".collateral.pckCrl"), wordAt(".ca.id"));
        bring(IIntelCollateral.updateTcbInfo.selector, "tcbInfo", "SGX", "");
        bring(IIntelCollateral.updateQeIdentity.selector, "qeIdentity", "SGX", "");
        IDcapVerifier verifier = Deploy.dcapVerifier(collateral);
        cache(verifier);
        vm.expectPartialRevert(IIntelCollateral.IntelCollateral_Missing.selector);
        verifier.verify(evidence, known);
        assertEq(verifier.verify(evidence, withoutNumbers()).tcbStatus, 1, "not shown");
    }

    function verifyUnder(uint32 tcbNumber, uint32 qeNumber, bytes memory base)
        private
        returns (Claims memory)
    {
        IDcapVerifier verifier = deployCachedVerifier();
        bring(IIntelCollateral.updateTcbInfo.selector, "tcbInfo", "SGX_OLD", "");
        bring(IIntelCollateral.updateQeIdentity.selector, "qeIdentity", "SGX_OLD", "");
        bytes memory changed = with(base, TCB_NUMBER, abi.encodePacked(tcbNumber));
        return verifier.verify(evidence, with(changed, QE_NUMBER, abi.encodePacked(qeNumber)));
    }

    /// @dev Collateral that has the root's CRL alone.
    function deployEmpty(bool hasPrecompile) private {
        bytes memory root = bytesAt(".root.certificate");
        bytes32 signerName = wordAt(".collateral.signerName");
        collateral = Deploy.intelCollateral(root, signerName, hasPrecompile);
        collateral.updateRootCrl(bytesAt(".collateral.rootCrl"));
    }

    function cache(IDcapVerifier verifier) private {
        verifier.cachePck(bytesAt(".pck.certificate"), wordAt(".ca.id"), serials());
    }

    function number() private view returns (uint32) {
        return uint32(numberAt(".collateral.number"));
    }

    function fmspc() private view returns (bytes6) {
        return bytes6(bytesAt(".pck.fmspc"));
    }

    /// @dev The hints with an empty first item; the tables have two numbers.
    function withoutNumbers() private view returns (bytes memory shorter) {
        uint256 size = 2 * 14;
        shorter = new bytes(known.length - size);
        for (uint256 i; i < shorter.length; ++i) {
            if (i < 220) shorter[i] = known[i];
            else if (i > 221) shorter[i] = known[i + size];
        }
    }

    function with(bytes memory base, uint256 offset, bytes memory part)
        private
        pure
        returns (bytes memory changed)
    {
        changed = bytes.concat(base);
        for (uint256 i; i < part.length; ++i) {
            changed[offset + i] = part[i];
        }
    }
}
