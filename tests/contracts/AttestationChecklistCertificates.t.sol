// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICertificateParser} from "contracts/interfaces/ICertificateParser.sol";
import {IIntelCollateral} from "contracts/interfaces/IIntelCollateral.sol";
import {Der} from "contracts/libraries/Der.sol";
import {IntelJson} from "contracts/libraries/IntelJson.sol";
import {X509} from "contracts/libraries/X509.sol";
import {CollateralFixture} from "./CollateralFixture.sol";

/// @notice The part of `AttestationChecklist.t.sol` that is about what the vendor signs: certificates,
///         revocation lists and documents.
contract AttestationChecklistCertificatesTest is CollateralFixture {
    /// @dev What a transaction may use (EIP-7825).
    uint256 private constant TRANSACTION_CAP = 16_777_216;

    ICertificateParser private parser;

    function setUp() external {
        load();
        deployReady();
        parser = collateral.certificateParser();
    }

    /// @dev Whoever deployed it may bring only what the vendor signed, and nobody owns it.
    function test_ownerSuppliedCollateral() external {
        string[3] memory documents =
            [".documents.sgxTcb", ".documents.sgxQe", ".documents.sgxNumbers"];
        bytes4 unsigned = IIntelCollateral.IntelCollateral_Signature.selector;
        for (uint256 i; i < 3; ++i) {
            bytes memory text = textOf(documents[i]);
            (bytes32 r, bytes32 s) = vm.signP256(uint256(keccak256("owner")), sha256(text));
            refuse(callWith(i + 1, text, r, s, signerId), unsigned);
        }
        refuse(abi.encodeCall(collateral.cacheAuthority, (bytesAt(".foreign.signer"))), unsigned);
        refuse(abi.encodeCall(collateral.cacheAuthority, (bytesAt(".foreign.ca"))), unsigned);
        string[4] memory roles = ["owner()", "governance()", "guardian()", "admin()"];
        for (uint256 i; i < 4; ++i) {
            (bool isDone,) = address(collateral).call(abi.encodeWithSignature(roles[i]));
            assertTrue(!isDone, roles[i]);
        }
    }

    /// @dev The serial number that is looked up is that of the certificate itself, not its issuer's
    ///      or its neighbour's.
    function test_wrongSerialInCrlLookup() external {
        collateral.updateRootCrl(bytesAt(".rootCrls.revoking.der"));
        refuse(
            abi.encodeCall(collateral.cacheAuthority, (bytesAt(".signer.certificate"))),
            abi.encodeWithSelector(
                IIntelCollateral.IntelCollateral_Revoked.selector, serialAt(".signer.serial")
            )
        );
        assertTrue(!collateral.isRevoked(serialAt(".ca.serial")), "CA");
        assertTrue(!collateral.isRevoked(serialAt(".root.serial")), "root");
        collateral.cacheAuthority(bytesAt(".ca.certificate"));
    }

    /// @dev A list counts for the authority whose name it has and whose key signed it.
    function test_crlIsNotBoundToIssuer() external {
        bytes4 issuer = IIntelCollateral.IntelCollateral_Issuer.selector;
        refuse(pckCrl(".rootCrls.second.der"), issuer);
        refuse(pckCrl(".pckCrls.otherIssuer.der"), issuer);
        refuse(pckCrl(".pckCrls.otherKey.der"), IIntelCollateral.IntelCollateral_Signature.selector);
        bytes memory list = bytesAt(".pckCrls.first.der");
        refuse(abi.encodeCall(collateral.updateRootCrl, (list)), issuer);
        list = bytesAt(".rootCrls.otherKey.der");
        refuse(
            abi.encodeCall(collateral.updateRootCrl, (list)),
            IIntelCollateral.IntelCollateral_Signature.selector
        );
    }

    /// @dev Begun and not ended: what meets one of both is refused for the other.
    function test_validityIsAndNotOr() external {
        bytes4 ended = IIntelCollateral.IntelCollateral_Expired.selector;
        bytes4 early = IIntelCollateral.IntelCollateral_NotYetValid.selector;
        refuse(abi.encodeCall(collateral.cacheAuthority, (bytesAt(".refused.endedSigner"))), ended);
        refuse(abi.encodeCall(collateral.cacheAuthority, (bytesAt(".refused.laterSigner"))), early);
        refuse(pckCrl(".pckCrls.ended.der"), ended);
        refuse(pckCrl(".pckCrls.future.der"), early);
        bytes memory document = callOf(".documents.sgxTcb", signerId);
        vm.warp(numberAt(".documents.sgxTcb.issuedAt") - 1);
        refuse(document, early);
        vm.warp(numberAt(".now"));
        collateral.updateRootCrl(bytesAt(".rootCrls.outliving.der"));
        uint256 end = numberAt(".documents.sgxTcb.validUntil");
        vm.warp(end + 1);
        refuse(document, abi.encodeWithSelector(ended, end, end + 1));
        // Of the root nothing is kept yet.
        load();
        deploy();
        refuse(abi.encodeCall(collateral.updateRootCrl, (bytesAt(".rootCrls.ended.der"))), ended);
        refuse(abi.encodeCall(collateral.updateRootCrl, (bytesAt(".rootCrls.future.der"))), early);
    }

    /// @dev In one unit: a second after the end it is over.
    function test_millisecondsAgainstSeconds() external {
        bring(".documents.sgxNumbers");
        uint8 tee = uint8(numberAt(".documents.sgxNumbers.tee"));
        (, uint40 end) = collateral.numbersCollateral(tee);
        assertTrue(end > block.timestamp && end < block.timestamp + 366 days, "in seconds");
        vm.warp(end);
        collateral.numbersCollateral(tee);
        vm.warp(uint256(end) + 1);
        refuse(
            abi.encodeCall(collateral.numbersCollateral, (tee)),
            abi.encodeWithSelector(
                IIntelCollateral.IntelCollateral_Expired.selector, end, uint256(end) + 1
            )
        );
    }

    /// @dev What is kept of an authority counts only as long as all above it does.
    function test_cachedAncestorsExpiry() external {
        bytes memory document = callOf(".documents.sgxTcb", signerId);
        bytes memory list = pckCrl(".pckCrls.first.der");
        uint256 end = numberAt(".rootCrls.first.validUntil");
        vm.warp(end + 1);
        bytes memory reason =
            abi.encodeWithSelector(IIntelCollateral.IntelCollateral_Expired.selector, end, end + 1);
        refuse(document, reason);
        refuse(list, reason);
    }

    function test_leafUsedAsCa() external {
        refuse(
            abi.encodeCall(collateral.cacheAuthority, (bytesAt(".pck.certificate"))),
            IIntelCollateral.IntelCollateral_Issuer.selector
        );
        refuse(
            abi.encodeCall(collateral.cacheAuthority, (bytesAt(".refused.notCa"))),
            IIntelCollateral.IntelCollateral_Issuer.selector
        );
        bytes memory list = bytesAt(".pckCrls.first.der");
        refuse(
            abi.encodeCall(collateral.updatePckCrl, (list, signerId)),
            abi.encodeWithSelector(
                IIntelCollateral.IntelCollateral_AuthorityKind.selector, false, true
            )
        );
        refuse(
            callOf(".documents.sgxTcb", caId),
            abi.encodeWithSelector(
                IIntelCollateral.IntelCollateral_AuthorityKind.selector, true, false
            )
        );
    }

    /// @dev None but 0, and no number that is 0 in one byte only.
    function test_pathLengthWrap() external {
        bytes4 length = IIntelCollateral.IntelCollateral_PathLength.selector;
        refuse(abi.encodeCall(collateral.cacheAuthority, (bytesAt(".refused.pathLength1"))), length);
        refuse(
            abi.encodeCall(collateral.cacheAuthority, (bytesAt(".refused.noPathLength"))), length
        );
        bytes memory ca = bytesAt(".ca.certificate");
        bytes memory constraints = hex"30060101ff0201";
        bytes memory zero = bytes.concat(constraints, hex"00");
        refuseParse(
            replaced(ca, zero, bytes.concat(constraints, hex"ff")), Der.Der_Integer.selector
        );
        refuseParse(
            replaced(ca, zero, bytes.concat(constraints, hex"80")), Der.Der_Integer.selector
        );
        assertEq(parser.certificate(ca).pathLength, 0, "of the profile");
    }

    function test_nonCanonicalDer() external {
        bytes4 length = Der.Der_Length.selector;
        refuseParse(hex"308100", length);
        refuseParse(bytes.concat(hex"3082007f", new bytes(127)), length);
        refuseParse(bytes.concat(hex"3083000100", new bytes(256)), length);
        refuseParse(hex"30800000", length);
        bytes memory ca = bytesAt(".ca.certificate");
        uint256 serial = find(ca, hex"a003020102") + 7;
        (ca[serial], ca[serial + 1]) = (0x00, 0x7f);
        refuseParse(ca, Der.Der_Integer.selector);
        (ca[serial], ca[serial + 1]) = (0xff, 0xff);
        refuseParse(ca, Der.Der_Integer.selector);
        ca = bytesAt(".ca.certificate");
        bytes memory isCa = hex"30060101ff";
        refuseParse(replaced(ca, isCa, hex"3006010101"), Der.Der_Constant.selector);
        refuseParse(replaced(ca, isCa, hex"3006010100"), Der.Der_Constant.selector);
        bytes memory critical = hex"0603551d130101ff";
        bytes4 criticality = X509.X509_Criticality.selector;
        refuseParse(replaced(ca, critical, hex"0603551d13010101"), criticality);
        refuseParse(replaced(ca, critical, hex"0603551d13010100"), criticality);
    }

    function test_trailingBytes() external {
        bytes memory more = bytes.concat(bytesAt(".ca.certificate"), hex"00");
        bytes4 selector = Der.Der_TrailingBytes.selector;
        refuse(abi.encodeCall(collateral.cacheAuthority, (more)), selector);
        more = bytes.concat(bytesAt(".pckCrls.first.der"), hex"00");
        refuse(abi.encodeCall(collateral.updatePckCrl, (more, caId)), selector);
        string[3] memory documents =
            [".documents.sgxTcb", ".documents.sgxQe", ".documents.sgxNumbers"];
        for (uint256 i; i < 3; ++i) {
            more = bytes.concat(textOf(documents[i]), " ");
            refuse(callSigned(i + 1, more), IntelJson.IntelJson_TrailingBytes.selector);
        }
    }

    /// @dev An uncompressed point of P-256 or nothing.
    function test_publicKeyLengthAndPrefix() external {
        bytes memory ca = bytesAt(".ca.certificate");
        bytes memory head = hex"03420004";
        bytes4 selector = Der.Der_Constant.selector;
        bytes4[5] memory others =
            [bytes4(0x03420002), 0x03420003, 0x03420006, 0x03430004, 0x03410004];
        for (uint256 i; i < others.length; ++i) {
            refuseParse(replaced(ca, head, bytes.concat(others[i])), selector);
        }
    }

    /// @dev A later list that forgets a serial number brings nothing back.
    function test_reTrustingRevokedIds() external {
        collateral.updateRootCrl(bytesAt(".rootCrls.revoking.der"));
        collateral.updateRootCrl(bytesAt(".rootCrls.forgetting.der"));
        refuse(
            abi.encodeCall(collateral.cacheAuthority, (bytesAt(".signer.certificate"))),
            IIntelCollateral.IntelCollateral_Revoked.selector
        );
        refuse(
            callOf(".documents.sgxTcb", signerId), IIntelCollateral.IntelCollateral_Epoch.selector
        );
    }

    /// @dev The longest that is taken of each kind, with every slot fresh.
    function test_gasOfUpserts_CostsAtMostWhatATransactionMayUse() external {
        measure(callSigned(1, largest(".levels.text")), "levels");
        measure(callSigned(1, largest(".modules.text")), "modules");
        measure(abi.encodeCall(collateral.updatePckCrl, (largest(".pckCrl"), caId)), "PCK CRL");
        measure(abi.encodeCall(collateral.updateRootCrl, (largest(".rootCrl"))), "root CRL");
    }

    function measure(bytes memory call, string memory what) private {
        uint256 before = vm.snapshotState();
        assertLe(transactionGas(call), TRANSACTION_CAP, what);
        vm.revertToState(before);
    }

    function pckCrl(string memory name) private view returns (bytes memory) {
        return abi.encodeCall(collateral.updatePckCrl, (bytesAt(name), caId));
    }

    function refuseParse(bytes memory certificate, bytes4 selector) private {
        vm.expectPartialRevert(selector);
        parser.certificate(certificate);
    }
}
