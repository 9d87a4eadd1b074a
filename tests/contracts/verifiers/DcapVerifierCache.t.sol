// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {
    CachedCa,
    CachedPck,
    IDcapVerifier,
    QuotingEnclave,
    TrustAnchor
} from "contracts/interfaces/IDcapVerifier.sol";
import {Der} from "contracts/libraries/Der.sol";
import {X509} from "contracts/libraries/X509.sol";
import {Tier} from "contracts/types/Tee.sol";
import {Deploy} from "../Deploy.sol";
import {DcapFixture} from "../DcapFixture.sol";

contract DcapVerifierConstructorTest is DcapFixture {
    bytes32 private constant INTEL_ROOT_X =
        0x0ba9c4c0c0c86193a3fe23d6b02cda10a8bbd4e88e48b4458561a36e705525f5;
    bytes32 private constant INTEL_ROOT_Y =
        0x67918e2edc88e40d860bd0cc4ee26aacc988e505a953558c453f6b0904ae7394;

    function setUp() external {
        load();
    }

    function test_constructor_DerivesTierDevFromAForeignRoot() external {
        IDcapVerifier verifier = deployVerifier();
        assertEq(verifier.tier(), Tier.DEV, "tier");
        assertEq(bytes(verifier.name()), "dcap/1", "name");
        assertEq(verifier.root().x, wordAt(".root.x"), "root x");
        assertEq(verifier.root().y, wordAt(".root.y"), "root y");
        assertEq(verifier.root().nameHash, wordAt(".root.nameHash"), "root name");
        assertEq(verifier.root().notAfter, numberAt(".root.notAfter"), "root end");
        assertEq(verifier.quotingEnclave().mrSigner, wordAt(".qe.mrSigner"), "QE signer");
        assertEq(verifier.quotingEnclave().sgxProdId, 1, "SGX QE product");
        assertEq(verifier.quotingEnclave().tdxProdId, 2, "TDX QE product");
    }

    function test_constructor_TakesTheOtherLocalChain() external {
        vm.chainId(1337);
        assertEq(deployVerifier().tier(), Tier.DEV, "tier");
    }

    function test_constructor_RevertWhen_RootIsTheVendors() external {
        TrustAnchor memory root = anchor();
        (root.x, root.y) = (INTEL_ROOT_X, INTEL_ROOT_Y);
        QuotingEnclave memory qe = quotingEnclave();
        for (uint256 i; i < 2; ++i) {
            vm.chainId(i == 0 ? 31_337 : 1);
            vm.expectRevert(
                abi.encodeWithSelector(
                    IDcapVerifier.DcapVerifier_RootNotYetSupported.selector, root.x, root.y
                )
            );
            Deploy.dcapVerifier(root, qe);
        }
    }

    function testFuzz_constructor_RevertWhen_ChainIsNotLocal(uint64 chainId) external {
        vm.assume(chainId != 0 && chainId != 31_337 && chainId != 1337);
        TrustAnchor memory root = anchor();
        QuotingEnclave memory qe = quotingEnclave();
        vm.chainId(chainId);
        vm.expectRevert(
            abi.encodeWithSelector(IDcapVerifier.DcapVerifier_DevOnlyOnLocalChain.selector, chainId)
        );
        Deploy.dcapVerifier(root, qe);
    }

    function test_constructor_RevertWhen_PrecompileIsMissing() external {
        TrustAnchor memory root = anchor();
        QuotingEnclave memory qe = quotingEnclave();
        // Code at the precompile's address: the nearest to a chain where nothing is there.
        vm.mockCall(address(0x100), "", "");
        vm.expectRevert(IDcapVerifier.DcapVerifier_NoP256Precompile.selector);
        Deploy.dcapVerifier(root, qe);
    }

    function test_constructor_RevertWhen_PrecompileAcceptsEverything() external {
        TrustAnchor memory root = anchor();
        QuotingEnclave memory qe = quotingEnclave();
        vm.mockCall(address(0x100), "", abi.encode(1));
        vm.expectRevert(IDcapVerifier.DcapVerifier_NoP256Precompile.selector);
        Deploy.dcapVerifier(root, qe);
    }

    function test_constructor_RevertWhen_AConstantIsZero() external {
        TrustAnchor memory sound = anchor();
        QuotingEnclave memory qe = quotingEnclave();
        for (uint256 i; i < 4; ++i) {
            TrustAnchor memory root = TrustAnchor({
                x: i == 0 ? bytes32(0) : sound.x,
                y: i == 1 ? bytes32(0) : sound.y,
                nameHash: i == 2 ? bytes32(0) : sound.nameHash,
                notAfter: sound.notAfter
            });
            if (i == 3) qe.mrSigner = 0;
            vm.expectRevert(IDcapVerifier.DcapVerifier_ZeroConstant.selector);
            Deploy.dcapVerifier(root, qe);
        }
    }

    function test_constructor_RevertWhen_RootHasEnded() external {
        TrustAnchor memory root = anchor();
        QuotingEnclave memory qe = quotingEnclave();
        vm.warp(root.notAfter + 1);
        vm.expectRevert(
            abi.encodeWithSelector(
                IDcapVerifier.DcapVerifier_RootExpired.selector, root.notAfter, root.notAfter + 1
            )
        );
        Deploy.dcapVerifier(root, qe);
    }
}

contract DcapVerifierCacheTest is DcapFixture {
    IDcapVerifier private verifier;
    bytes32 private caId;

    function setUp() external {
        load();
        verifier = deployVerifier();
        caId = verifier.cacheCa(bytesAt(".ca.certificate"));
    }

    function test_cacheCa_KeepsKeyNameAndEnd() external view {
        assertEq(caId, wordAt(".ca.id"), "id");
        CachedCa memory ca = verifier.ca(caId);
        assertEq(ca.x, wordAt(".ca.x"), "x");
        assertEq(ca.y, wordAt(".ca.y"), "y");
        assertEq(ca.nameHash, wordAt(".ca.nameHash"), "name");
        assertEq(ca.notAfter, numberAt(".ca.notAfter"), "end");
    }

    function test_cacheCa_PublishesTheWholeCertificate() external {
        bytes memory certificate = bytesAt(".ca.certificate");
        vm.expectEmit();
        emit IDcapVerifier.CaCached(caId, uint64(numberAt(".ca.notAfter")), certificate);
        verifier.cacheCa(certificate);
    }

    function test_cacheCa_IgnoresAnUnknownExtensionThatIsNotCritical() external {
        bytes32 id = verifier.cacheCa(bytesAt(".acceptedCa.unknownExtension"));
        assertEq(verifier.ca(id).x, wordAt(".ca.x"), "x");
    }

    function test_cacheCa_EndsNoLaterThanTheRoot() external {
        bytes32 id = verifier.cacheCa(bytesAt(".acceptedCa.outlivesRoot"));
        assertEq(verifier.ca(id).notAfter, numberAt(".root.notAfter"), "end");
    }

    function test_cacheCa_RevertWhen_ItMayNotSignCertificates() external {
        refuseCa("notCa", IDcapVerifier.DcapVerifier_NotACa.selector);
        refuseCa("noConstraints", IDcapVerifier.DcapVerifier_NotACa.selector);
        refuseCa("noCertSign", IDcapVerifier.DcapVerifier_KeyUsage.selector);
        refuseCa("noKeyUsage", IDcapVerifier.DcapVerifier_KeyUsage.selector);
    }

    function test_cacheCa_RevertWhen_PathLengthIsNotZero() external {
        refuseCa("pathLength1", IDcapVerifier.DcapVerifier_PathLength.selector);
        refuseCa("noPathLength", IDcapVerifier.DcapVerifier_PathLength.selector);
        refuseCa("root", IDcapVerifier.DcapVerifier_PathLength.selector);
    }

    function test_cacheCa_RevertWhen_NowIsOutsideItsValidity() external {
        refuseCa("expired", IDcapVerifier.DcapVerifier_CertificateExpired.selector);
        refuseCa("notYetValid", IDcapVerifier.DcapVerifier_CertificateNotYetValid.selector);
    }

    function test_cacheCa_RevertWhen_RootHasEnded() external {
        vm.warp(numberAt(".root.notAfter") + 1);
        refuse(
            bytesAt(".acceptedCa.outlivesRoot"),
            0,
            IDcapVerifier.DcapVerifier_CertificateExpired.selector
        );
    }

    function test_cacheCa_RevertWhen_IssuerIsNotTheRoot() external {
        refuseCa("otherIssuer", IDcapVerifier.DcapVerifier_IssuerMismatch.selector);
    }

    function test_cacheCa_RevertWhen_AnotherKeySigned() external {
        refuseCa("signedByAnother", IDcapVerifier.DcapVerifier_CertificateSignature.selector);
        refuse(bytesAt(".foreign.ca"), 0, IDcapVerifier.DcapVerifier_CertificateSignature.selector);
    }

    function test_cacheCa_RevertWhen_AnUnknownExtensionIsCritical() external {
        refuseCa("unknownCritical", X509.X509_UnknownCriticalExtension.selector);
    }

    function test_cacheCa_RevertWhen_CertificateIsALeaf() external {
        refuse(bytesAt(".pck.certificate"), 0, IDcapVerifier.DcapVerifier_IssuerMismatch.selector);
    }

    function test_cacheCa_RevertWhen_CertificateIsTooLong() external {
        bytes memory long = new bytes(4097);
        vm.expectRevert(
            abi.encodeWithSelector(
                IDcapVerifier.DcapVerifier_CertificateTooLong.selector, 4097, 4096
            )
        );
        verifier.cacheCa(long);
    }

    function test_cachePck_KeepsKeyAndMachine() external {
        bytes32 pckId = verifier.cachePck(bytesAt(".pck.certificate"), caId);
        assertEq(pckId, wordAt(".pck.id"), "id");
        CachedPck memory pck = verifier.pck(pckId);
        assertEq(pck.x, wordAt(".pck.x"), "x");
        assertEq(pck.y, wordAt(".pck.y"), "y");
        assertEq(abi.encodePacked(pck.ppid), bytesAt(".pck.ppid"), "PPID");
        assertEq(abi.encodePacked(pck.fmspc), bytesAt(".pck.fmspc"), "FMSPC");
        assertEq(pck.notAfter, numberAt(".pck.notAfter"), "end");
    }

    function test_cachePck_PublishesTheWholeCertificate() external {
        bytes memory certificate = bytesAt(".pck.certificate");
        bytes32 hwId = keccak256(abi.encodePacked(uint8(1), bytesAt(".pck.ppid")));
        vm.expectEmit();
        emit IDcapVerifier.PckCached(
            wordAt(".pck.id"), caId, hwId, uint64(numberAt(".pck.notAfter")), certificate
        );
        verifier.cachePck(certificate, caId);
    }

    function test_cachePck_EndsNoLaterThanItsCa() external {
        bytes32 id = verifier.cacheCa(bytesAt(".acceptedCa.endsSoon"));
        bytes32 pckId = verifier.cachePck(bytesAt(".pck.certificate"), id);
        assertEq(verifier.pck(pckId).notAfter, verifier.ca(id).notAfter, "end");
    }

    function test_cachePck_RevertWhen_CaIsNotCached() external {
        bytes memory certificate = bytesAt(".pck.certificate");
        bytes32 unknown = keccak256("no CA");
        vm.expectRevert(
            abi.encodeWithSelector(IDcapVerifier.DcapVerifier_UnknownCa.selector, unknown)
        );
        verifier.cachePck(certificate, unknown);
    }

    function test_cachePck_RevertWhen_CaHasEnded() external {
        bytes32 id = verifier.cacheCa(bytesAt(".acceptedCa.endsSoon"));
        vm.warp(verifier.ca(id).notAfter + 1);
        refuse(
            bytesAt(".pck.certificate"), id, IDcapVerifier.DcapVerifier_CertificateExpired.selector
        );
    }

    function test_cachePck_RevertWhen_LeafCouldActAsCa() external {
        refusePck("isCa", IDcapVerifier.DcapVerifier_LeafIsCa.selector);
        refusePck("certSign", IDcapVerifier.DcapVerifier_KeyUsage.selector);
    }

    function test_cachePck_RevertWhen_LeafMayNotSign() external {
        refusePck("noSignature", IDcapVerifier.DcapVerifier_KeyUsage.selector);
    }

    function test_cachePck_RevertWhen_LeafNamesNoMachine() external {
        refusePck("noSgx", IDcapVerifier.DcapVerifier_NoSgxExtension.selector);
    }

    function test_cachePck_RevertWhen_NowIsOutsideItsValidity() external {
        refusePck("expired", IDcapVerifier.DcapVerifier_CertificateExpired.selector);
        refusePck("notYetValid", IDcapVerifier.DcapVerifier_CertificateNotYetValid.selector);
    }

    function test_cachePck_RevertWhen_AnotherKeySigned() external {
        refusePck("signedByRoot", IDcapVerifier.DcapVerifier_CertificateSignature.selector);
        refusePck("signedByItself", IDcapVerifier.DcapVerifier_CertificateSignature.selector);
        refuse(
            bytesAt(".foreign.pck"), caId, IDcapVerifier.DcapVerifier_CertificateSignature.selector
        );
    }

    function test_cachePck_RevertWhen_CertificateIsTheCaItself() external {
        refuse(bytesAt(".ca.certificate"), caId, IDcapVerifier.DcapVerifier_IssuerMismatch.selector);
    }

    function test_cachePck_RevertWhen_BytesFollow() external {
        bytes memory longer = bytes.concat(bytesAt(".pck.certificate"), hex"00");
        refuse(longer, caId, Der.Der_TrailingBytes.selector);
    }

    function refuseCa(string memory name, bytes4 selector) private {
        refuse(bytesAt(string.concat(".refusedCa.", name)), 0, selector);
    }

    function refusePck(string memory name, bytes4 selector) private {
        refuse(bytesAt(string.concat(".refusedPck.", name)), caId, selector);
    }

    /// @param issuer The CA of a leaf, or zero for a CA under the root.
    function refuse(bytes memory certificate, bytes32 issuer, bytes4 selector) private {
        vm.expectPartialRevert(selector);
        if (issuer == 0) verifier.cacheCa(certificate);
        else verifier.cachePck(certificate, issuer);
    }
}
