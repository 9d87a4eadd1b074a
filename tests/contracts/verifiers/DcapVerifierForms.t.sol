// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Claims} from "contracts/interfaces/IAttestationVerifier.sol";
import {IDcapVerifier} from "contracts/interfaces/IDcapVerifier.sol";
import {TeeKind} from "contracts/types/Tee.sol";
import {DcapFixture} from "../DcapFixture.sol";

/// @notice Each form of quote: what it says, and what it must not say. All are signed well.
contract DcapVerifierFormsTest is DcapFixture {
    string[3] private sgxForms = ["SGX_V3", "SGX_V4", "SGX_V5"];
    string[3] private tdxForms = ["TDX_V4", "TDX_V5_TD10", "TDX_V5_TD15"];

    IDcapVerifier private verifier;

    function setUp() external {
        load();
        verifier = deployCachedVerifier();
    }

    function test_verify_TellsWhatEachFormSays() external view {
        for (uint256 i; i < 3; ++i) {
            checkClaims(sgxForms[i], TeeKind.SGX);
            checkClaims(tdxForms[i], TeeKind.TDX);
        }
    }

    /// @dev The version of a quote does not name an image, its body does.
    function test_verify_NamesAnImageByItsBody() external view {
        bytes32 sgx = imageOf("SGX_V3");
        assertEq(imageOf("SGX_V4"), sgx, "SGX version 4");
        assertEq(imageOf("SGX_V5"), sgx, "SGX version 5");
        bytes32 td10 = imageOf("TDX_V4");
        assertEq(imageOf("TDX_V5_TD10"), td10, "TD 1.0 in version 5");
        assertTrue(imageOf("TDX_V5_TD15") != td10, "TD 1.5");
    }

    function test_verify_RevertWhen_EnclaveOfAnyVersionIsNotForProduction() external {
        string[4] memory wrong = ["debug", "provision", "initToken", "init"];
        for (uint256 i; i < sgxForms.length; ++i) {
            for (uint256 j; j < wrong.length; ++j) {
                refuse(
                    sgxForms[i],
                    wrongOf(sgxForms[i], wrong[j]),
                    IDcapVerifier.DcapVerifier_EnclaveAttributes.selector
                );
            }
        }
    }

    function test_verify_RevertWhen_TrustDomainOfAnyVersionIsUnderDebug() external {
        for (uint256 i; i < tdxForms.length; ++i) {
            refuse(
                tdxForms[i],
                wrongOf(tdxForms[i], "debug"),
                IDcapVerifier.DcapVerifier_TrustDomainUnderDebug.selector
            );
        }
    }

    function test_verify_RevertWhen_TrustDomainOfAnyVersionHasOtherAttributes() external {
        bytes4 selector = IDcapVerifier.DcapVerifier_TrustDomainAttributes.selector;
        for (uint256 i; i < tdxForms.length; ++i) {
            refuse(tdxForms[i], wrongOf(tdxForms[i], "septVeDisable"), selector);
            refuse(tdxForms[i], wrongOf(tdxForms[i], "migratable"), selector);
        }
    }

    function test_verify_TakesAttributesThatOnlyDefend() external view {
        assertEq(
            verifier.verify(bytesAt(".freeAttributes"), hints("TDX_V4")).tee, TeeKind.TDX, "TEE"
        );
    }

    function test_verify_RevertWhen_AServiceTdIsBound() external {
        bytes4 selector = IDcapVerifier.DcapVerifier_ServiceTrustDomain.selector;
        refuse("TDX_V5_TD15", wrongOf("TDX_V5_TD15", "serviceHigh"), selector);
        refuse("TDX_V5_TD15", wrongOf("TDX_V5_TD15", "serviceLow"), selector);
    }

    function test_verify_RevertWhen_BodyIsNoneOfItsTee() external {
        bytes4 selector = IDcapVerifier.DcapVerifier_UnsupportedBody.selector;
        bytes6[6] memory types = [
            bytes6(0x020080010000), // TD 1.0 by its type, SGX by its size
            0x010048020000,
            0x030048020000,
            0x020088020000,
            0x040088020000,
            0x000000000000
        ];
        for (uint256 i; i < types.length; ++i) {
            refuse("SGX_V5", withType("SGX_V5", types[i]), selector);
            refuse("TDX_V5_TD10", withType("TDX_V5_TD10", types[i]), selector);
            refuse("TDX_V5_TD15", withType("TDX_V5_TD15", types[i]), selector);
        }
        refuse("SGX_V5", withType("SGX_V5", 0x020048020000), selector);
        refuse("SGX_V5", withType("SGX_V5", 0x030088020000), selector);
        refuse("TDX_V5_TD10", withType("TDX_V5_TD10", 0x010080010000), selector);
        refuse("TDX_V5_TD15", withType("TDX_V5_TD15", 0x010080010000), selector);
    }

    /// @dev Another type moves every part after it; no part of the quote stands there.
    function test_verify_RevertWhen_TypeIsAnothersOfItsTee() external {
        bytes4 selector = IDcapVerifier.DcapVerifier_QeReportSignature.selector;
        refuse("TDX_V5_TD15", withType("TDX_V5_TD15", 0x020048020000), selector);
        selector = IDcapVerifier.DcapVerifier_EvidenceLength.selector;
        refuse("TDX_V5_TD10", withType("TDX_V5_TD10", 0x030088020000), selector);
    }

    function test_verify_RevertWhen_EvidenceOfAnyFormIsCut() external {
        bytes4 selector = IDcapVerifier.DcapVerifier_EvidenceLength.selector;
        for (uint256 i; i < 3; ++i) {
            // The authentication data are 32 bytes.
            refuse(sgxForms[i], withoutLast(quoteOf(sgxForms[i]), 33), selector);
            refuse(tdxForms[i], withoutLast(quoteOf(tdxForms[i]), 33), selector);
            refuse(sgxForms[i], bytes.concat(quoteOf(sgxForms[i]), new bytes(993)), selector);
            refuse(tdxForms[i], bytes.concat(quoteOf(tdxForms[i]), new bytes(993)), selector);
        }
    }

    function checkClaims(string memory form, uint8 tee) private view {
        Claims memory claims = verifier.verify(quoteOf(form), hints(form));
        assertEq(claims.tee, tee, form);
        assertEq(claims.imageId, wordAt(string.concat(".quotes.", form, ".imageId")), form);
        bytes memory wanted = bytesAt(string.concat(".quotes.", form, ".reportData"));
        assertEq(bytes.concat(claims.reportData0, claims.reportData1), wanted, form);
    }

    function imageOf(string memory form) private view returns (bytes32) {
        return verifier.verify(quoteOf(form), hints(form)).imageId;
    }

    function quoteOf(string memory form) private view returns (bytes memory) {
        return bytesAt(string.concat(".quotes.", form, ".evidence"));
    }

    function wrongOf(string memory form, string memory what) private view returns (bytes memory) {
        return bytesAt(string.concat(".refusedForms.", form, ".", what));
    }

    function withType(string memory form, bytes6 bodyType)
        private
        view
        returns (bytes memory evidence)
    {
        evidence = quoteOf(form);
        for (uint256 i; i < 6; ++i) {
            evidence[48 + i] = bodyType[i];
        }
    }

    function withoutLast(bytes memory data, uint256 count)
        private
        pure
        returns (bytes memory shorter)
    {
        shorter = new bytes(data.length - count);
        for (uint256 i; i < shorter.length; ++i) {
            shorter[i] = data[i];
        }
    }

    function refuse(string memory form, bytes memory evidence, bytes4 selector) private {
        bytes memory known = hints(form);
        vm.expectPartialRevert(selector);
        verifier.verify(evidence, known);
    }
}
