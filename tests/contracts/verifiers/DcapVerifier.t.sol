// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Claims} from "contracts/interfaces/IAttestationVerifier.sol";
import {IDcapVerifier} from "contracts/interfaces/IDcapVerifier.sol";
import {Der} from "contracts/libraries/Der.sol";
import {TcbStatus} from "contracts/types/TcbStatus.sol";
import {TeeKind, Tier} from "contracts/types/Tee.sol";
import {DcapFixture} from "../DcapFixture.sol";

contract DcapVerifierTest is DcapFixture {
    uint256 private constant SGX_TAIL = 48 + 384;
    uint256 private constant TDX_TAIL = 48 + 584;

    IDcapVerifier private verifier;
    bytes private known;
    bytes private knownTdx;

    function setUp() external {
        load();
        verifier = deployCachedVerifier();
        known = hints("SGX_V3");
        knownTdx = hints("TDX_V4");
    }

    function test_verify_TellsWhatAnSgxQuoteSays() external view {
        checkClaims(".registration.sgx0", TeeKind.SGX, known);
    }

    function test_verify_TellsWhatATdxQuoteSays() external view {
        checkClaims(".registration.tdx0", TeeKind.TDX, knownTdx);
    }

    function test_verify_TakesEmptyAuthenticationData() external view {
        bytes memory evidence = bytesAt(".emptyAuth");
        assertEq(evidence.length, 1008, "length");
        assertEq(verifier.verify(evidence, known).tee, TeeKind.SGX, "TEE");
    }

    function test_verify_TellsTheMachineApartFromAnother() external view {
        Claims memory claims = verifier.verify(bytesAt(".registration.sgx0.evidence"), known);
        bytes32 wanted = keccak256(abi.encodePacked(uint8(1), bytesAt(".pck.ppid")));
        assertEq(claims.hwId, wanted, "hardware id");
    }

    function test_verify_RevertWhen_EnclaveIsUnderDebug() external {
        refuse("sgxDebug", IDcapVerifier.DcapVerifier_EnclaveAttributes.selector);
    }

    function test_verify_RevertWhen_EnclaveHasKeysOfThePlatform() external {
        refuse("sgxProvision", IDcapVerifier.DcapVerifier_EnclaveAttributes.selector);
        refuse("sgxInitToken", IDcapVerifier.DcapVerifier_EnclaveAttributes.selector);
    }

    function test_verify_RevertWhen_EnclaveIsNotInitialised() external {
        refuse("sgxNotInitialised", IDcapVerifier.DcapVerifier_EnclaveAttributes.selector);
    }

    function test_verify_RevertWhen_TrustDomainIsUnderDebug() external {
        bytes4 selector = IDcapVerifier.DcapVerifier_TrustDomainUnderDebug.selector;
        refuse(bytesAt(".refusedEvidence.tdxDebug"), knownTdx, selector);
        refuse(bytesAt(".refusedEvidence.tdxTestUnderDebug"), knownTdx, selector);
    }

    function test_verify_RevertWhen_QeReportNamesAnotherKey() external {
        refuse("qeReportData", IDcapVerifier.DcapVerifier_QeReportData.selector);
    }

    function test_verify_RevertWhen_QeReportDataGoesOn() external {
        refuse("qeReportDataTail", IDcapVerifier.DcapVerifier_QeReportDataTail.selector);
    }

    function test_verify_RevertWhen_QuotingEnclaveIsOfAnotherVendor() external {
        refuse("qeVendor", IDcapVerifier.DcapVerifier_QeVendor.selector);
    }

    function test_verify_RevertWhen_AnotherMachineSigned() external {
        refuse(
            bytesAt(".foreignEvidence"),
            known,
            IDcapVerifier.DcapVerifier_QeReportSignature.selector
        );
    }

    function test_verify_RevertWhen_BodyIsAltered() external {
        bytes memory altered = flipped(bytesAt(".registration.sgx0.evidence"), (48 + 64) * 8);
        refuse(altered, known, IDcapVerifier.DcapVerifier_QuoteSignature.selector);
        altered = flipped(bytesAt(".registration.tdx0.evidence"), (48 + 136) * 8);
        refuse(altered, knownTdx, IDcapVerifier.DcapVerifier_QuoteSignature.selector);
    }

    function test_verify_RevertWhen_QuoteIsOfAnotherKind() external {
        bytes memory evidence = bytesAt(".registration.sgx0.evidence");
        bytes8[6] memory heads = [
            bytes8(0x0200020000000000), // version 2
            0x0600020081000000, // version 6
            0x0300030000000000, // key type 3 (P-384)
            0x0500030081000000,
            0x0300020081000000, // version 3 with a TDX body
            0x0300020000000001
        ];
        for (uint256 i; i < heads.length; ++i) {
            for (uint256 j; j < 8; ++j) {
                evidence[j] = heads[i][j];
            }
            refuse(evidence, known, IDcapVerifier.DcapVerifier_UnsupportedQuote.selector);
        }
    }

    function test_verify_RevertWhen_EvidenceHasAnotherLength() external {
        refuse("authTooLong", IDcapVerifier.DcapVerifier_EvidenceLength.selector);
        bytes4 selector = IDcapVerifier.DcapVerifier_EvidenceLength.selector;
        refuse(cut(bytesAt(".registration.sgx0.evidence"), SGX_TAIL + 575), known, selector);
        refuse(cut(bytesAt(".registration.tdx0.evidence"), TDX_TAIL + 575), known, selector);
        refuse(cut(bytesAt(".registration.sgx0.evidence"), 47), known, selector);
        refuse("", known, selector);
    }

    function test_verify_RevertWhen_AuthenticationDataIsCutOrLonger() external {
        bytes memory evidence = bytesAt(".registration.sgx0.evidence");
        bytes4 selector = IDcapVerifier.DcapVerifier_QeReportData.selector;
        refuse(cut(evidence, evidence.length - 1), known, selector);
        refuse(bytes.concat(evidence, hex"00"), known, selector);
    }

    function test_verify_RevertWhen_HintsAreCutOrLonger() external {
        bytes memory evidence = bytesAt(".registration.sgx0.evidence");
        bytes4 selector = IDcapVerifier.DcapVerifier_HintsLength.selector;
        for (uint256 length; length < known.length; ++length) {
            refuse(evidence, cut(known, length), selector);
        }
        selector = IDcapVerifier.DcapVerifier_HintsLeft.selector;
        refuse(evidence, bytes.concat(known, hex"00"), selector);
        refuse(evidence, bytes.concat(known, hex"0000"), selector);
    }

    /// @dev A malleable signature is accepted and says the same: nothing may be keyed on evidence.
    function test_verify_SaysTheSameOfAMalleatedSignature() external view {
        bytes memory evidence = bytesAt(".registration.sgx0.evidence");
        Claims memory claims = verifier.verify(evidence, known);
        uint256 order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551;
        bytes32 other = bytes32(order - uint256(Der.word(evidence, SGX_TAIL + 32)));
        for (uint256 i; i < 32; ++i) {
            evidence[SGX_TAIL + 32 + i] = other[i];
        }
        assertEq(
            keccak256(abi.encode(verifier.verify(evidence, known))),
            keccak256(abi.encode(claims)),
            "claims"
        );
    }

    function checkClaims(string memory key, uint8 tee, bytes memory with) private view {
        Claims memory claims = verifier.verify(bytesAt(string.concat(key, ".evidence")), with);
        assertEq(claims.tee, tee, "TEE");
        assertEq(claims.tier, Tier.DEV, "tier");
        assertEq(claims.tcbStatus, TcbStatus.UP_TO_DATE, "TCB status");
        assertEq(claims.evaluationNumber, numberAt(".collateral.number"), "number");
        assertEq(claims.publicSince, numberAt(".collateral.publicSince"), "public since");
        assertEq(claims.supersededAt, type(uint64).max, "superseded at");
        assertEq(claims.advisories, "", "advisories");
        assertEq(claims.imageId, wordAt(string.concat(key, ".imageId")), "image id");
        assertEq(
            bytes.concat(claims.reportData0, claims.reportData1),
            bytesAt(string.concat(key, ".reportData")),
            "report data"
        );
        assertEq(claims.notAfter, numberAt(".pck.notAfter"), "end");
        assertEq(claims.collateralUntil, numberAt(".collateral.until"), "collateral's end");
    }

    function refuse(string memory name, bytes4 selector) private {
        refuse(bytesAt(string.concat(".refusedEvidence.", name)), known, selector);
    }

    function refuse(bytes memory evidence, bytes memory withHints, bytes4 selector) private {
        vm.expectPartialRevert(selector);
        verifier.verify(evidence, withHints);
    }

    function cut(bytes memory data, uint256 length) private pure returns (bytes memory shorter) {
        shorter = new bytes(length);
        for (uint256 i; i < length; ++i) {
            shorter[i] = data[i];
        }
    }
}
