// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Claims} from "contracts/interfaces/IAttestationVerifier.sol";
import {IDcapVerifier} from "contracts/interfaces/IDcapVerifier.sol";
import {IIntelCollateral} from "contracts/interfaces/IIntelCollateral.sol";
import {EvaluationNumbers} from "contracts/libraries/EvaluationNumbers.sol";
import {TcbProof} from "contracts/libraries/TcbProof.sol";
import {TcbStatus} from "contracts/types/TcbStatus.sol";
import {DcapFixture} from "../DcapFixture.sol";

/// @notice What the collateral says of a quote's platform, and what must not be shown of it. All
///         quotes are signed well; statuses and advisories are those that the codec predicts.
contract DcapVerifierAppraisalTest is DcapFixture {
    IDcapVerifier private verifier;

    function setUp() external {
        load();
        loadCases();
        verifier = deployCachedVerifier();
        string[10] memory machines = [
            "pcesvn12",
            "pcesvn11",
            "pcesvn10",
            "pcesvn9",
            "pcesvn8",
            "pcesvn7",
            "pcesvn6",
            "lowComponent",
            "otherPceId",
            "otherFmspc"
        ];
        bytes32 caId = wordAt(".ca.id");
        bytes memory list = serials();
        for (uint256 i; i < machines.length; ++i) {
            verifier.cachePck(caseAt(string.concat(".machines.", machines[i])), caId, list);
        }
    }

    function test_verify_TellsEachStatusOfAPlatform() external view {
        string[14] memory names = [
            "sgx1",
            "sgx2",
            "sgx3",
            "sgx4",
            "sgx5",
            "sgx6",
            "sgx7",
            "tdx1",
            "tdx2",
            "tdx3",
            "tdx4",
            "tdx5",
            "tdx6",
            "tdx7"
        ];
        for (uint256 i; i < names.length; ++i) {
            uint8 status = check(names[i]).tcbStatus;
            assertEq(status, i % 7 + 1, names[i]);
        }
    }

    function test_verify_ComparesTheFirstTdxComponentsWithoutAModuleIdentity() external view {
        assertEq(check("tdxFirstComponent").tcbStatus, TcbStatus.SW_HARDENING_NEEDED, "status");
    }

    function test_verify_MergesTheQuotingEnclavesStatus() external view {
        check("qeNewer");
        check("qeHardening");
        check("qeLate");
        check("qeRevoked");
        check("qeAndPlatform");
    }

    function test_verify_TakesBitsOfTheQuotingEnclaveThatItsMasksLeaveFree() external view {
        check("qeMiscSelect");
        check("qeFreeAttributes");
    }

    function test_verify_GradesTheTdxModuleByItsIdentity() external view {
        check("module");
        check("moduleLate");
        check("moduleRevoked");
        check("moduleOfAnother");
    }

    function test_verify_AdvisesToRelaunch() external view {
        assertEq(check("relaunch").tcbStatus, 8, "relaunch");
        assertEq(check("relaunchConfiguration").tcbStatus, 9, "and configure");
        assertEq(check("relaunchConfigurationNow").tcbStatus, 9, "and configure");
        assertEq(check("relaunchQeHardening").tcbStatus, 8, "relaunch first");
    }

    function test_verify_KeepsTheWorseOfLaunchAndPresent() external view {
        check("relaunchNotNeeded");
        check("relaunchStillLate");
        check("relaunchRevoked");
        check("relaunchFromRevoked");
        check("relaunchWorse");
        check("relaunchQeLate");
        check("relaunchUnchanged");
    }

    function test_verify_RevertWhen_QuotingEnclaveIsAnother() external {
        refuseQuote("qeSigner", IDcapVerifier.DcapVerifier_QeSigner.selector);
        bytes4 selector = IDcapVerifier.DcapVerifier_QeProduct.selector;
        refuseQuote("qeProduct", selector);
        refuseQuote("qeProductTdx", selector);
        refuseQuote("qeProductSgxV5", selector);
        refuseQuote("qeProductTdxV5", selector);
        refuseQuote("qeProductHighByte", selector);
    }

    function test_verify_RevertWhen_QuotingEnclavesAttributesAreOthers() external {
        bytes4 selector = IDcapVerifier.DcapVerifier_QeAttributes.selector;
        refuseQuote("qeDebug", selector);
        refuseQuote("qeNoProvisionKey", selector);
        selector = IDcapVerifier.DcapVerifier_QeMiscSelect.selector;
        refuseQuote("qeMiscSelect", selector);
        refuseQuote("qeMiscSelectNibble", selector);
    }

    function test_verify_RevertWhen_NoLevelIsMet() external {
        bytes4 selector = TcbProof.TcbProof_NoLevel.selector;
        refuseQuote("qeLevel", selector);
        refuseQuote("level", selector);
        refuseQuote("component", selector);
        refuseQuote("componentTdx", selector);
        refuseQuote("moduleLevel", selector);
        refuseQuote("presentModuleLevel", selector);
    }

    function test_verify_RevertWhen_TablesAreOfAnotherPlatform() external {
        refuseQuote("pceId", TcbProof.TcbProof_Commitment.selector);
        refuseQuote("fmspc", IIntelCollateral.IntelCollateral_Missing.selector);
    }

    function test_verify_RevertWhen_ModuleIsUnknown() external {
        refuseQuote("module", TcbProof.TcbProof_Module.selector);
        refuseQuote("presentModule", TcbProof.TcbProof_Module.selector);
    }

    function test_verify_RevertWhen_ModuleIsAnothers() external {
        bytes4 selector = IDcapVerifier.DcapVerifier_ModuleSigner.selector;
        refuseQuote("moduleSigner", selector);
        refuseQuote("moduleOfAnother", selector);
        refuseQuote("firstModuleSigner", selector);
        refuseQuote("presentModuleOfAnother", selector);
        selector = IDcapVerifier.DcapVerifier_ModuleAttributes.selector;
        refuseQuote("moduleAttributes", selector);
        refuseQuote("moduleMaskedAttributes", selector);
    }

    function test_verify_RevertWhen_AnotherLevelIsShown() external {
        bytes4 selector = TcbProof.TcbProof_NotTheFirst.selector;
        refuseHints("laterLevel", selector);
        refuseHints("laterQeLevel", selector);
        refuseHints("laterModuleLevel", selector);
        selector = TcbProof.TcbProof_NotMet.selector;
        refuseHints("earlierLevel", selector);
        refuseHints("earlierQeLevel", selector);
        refuseHints("module", TcbProof.TcbProof_Module.selector);
        refuseHints("noLevels", TcbProof.TcbProof_Length.selector);
    }

    function test_verify_RevertWhen_TheVendorDidNotSignTheTable() external {
        bytes4 selector = TcbProof.TcbProof_Commitment.selector;
        refuseHints("otherLevels", selector);
        refuseHints("levelsOfTdx", selector);
        refuseHints("otherQeLevels", selector);
        refuseHints("otherModuleLevels", selector);
        refuseHints("identity", selector);
    }

    function test_verify_RevertWhen_AdvisoriesAreNotTheLevels() external {
        bytes4 selector = IDcapVerifier.DcapVerifier_Advisories.selector;
        refuseHints("noAdvisories", selector);
        refuseHints("otherAdvisories", selector);
        refuseHints("longerAdvisories", selector);
        refuseHints("inventedAdvisories", selector);
        refuseHints("noQeAdvisories", selector);
        refuseHints("inventedQeAdvisories", selector);
        refuseHints("noModuleAdvisories", selector);
        refuseHints("noPresentAdvisories", selector);
    }

    function test_verify_RevertWhen_NumbersAreNotTheVendors() external {
        bytes4 selector = EvaluationNumbers.EvaluationNumbers_Commitment.selector;
        refuseHints("otherNumbers", selector);
        refuseHints("someNumbers", selector);
        refuseHints("partOfANumber", selector);
    }

    function test_verify_RevertWhen_MachineIsNotKept() external {
        bytes4 selector = IDcapVerifier.DcapVerifier_UnknownPck.selector;
        refuseHints("key", selector);
        refuseHints("pcesvn", selector);
        refuseHints("components", selector);
    }

    function test_verify_RevertWhen_DocumentIsNotThere() external {
        bytes4 selector = IIntelCollateral.IntelCollateral_Missing.selector;
        refuseHints("ca", selector);
        refuseHints("fmspc", selector);
        refuseHints("tcbNumber", selector);
        refuseHints("qeNumber", selector);
    }

    function test_verify_RevertWhen_ItemsAreMoreOrFewer() external {
        refuseHints("oneTooMany", IDcapVerifier.DcapVerifier_HintsLeft.selector);
        refuseHints("relaunchUnasked", IDcapVerifier.DcapVerifier_HintsLeft.selector);
        refuseHints("onlyLaunch", IDcapVerifier.DcapVerifier_HintsLength.selector);
    }

    function check(string memory name) private view returns (Claims memory claims) {
        string memory key = string.concat(".appraised.", name);
        claims = verifier.verify(
            caseAt(string.concat(key, ".evidence")), caseAt(string.concat(key, ".hints"))
        );
        assertEq(claims.tcbStatus, vm.parseJsonUint(cases, string.concat(key, ".status")), name);
        assertEq(claims.advisories, caseAt(string.concat(key, ".advisories")), name);
        assertTrue(claims.tcbStatus != 0, "appraised");
    }

    function caseAt(string memory key) private view returns (bytes memory) {
        return vm.parseJsonBytes(cases, key);
    }

    function refuseQuote(string memory name, bytes4 selector) private {
        refuse(string.concat(".refusedAppraisal.", name), selector);
    }

    function refuseHints(string memory name, bytes4 selector) private {
        refuse(string.concat(".refusedHints.", name), selector);
    }

    function refuse(string memory key, bytes4 selector) private {
        bytes memory evidence = caseAt(string.concat(key, ".evidence"));
        bytes memory known = caseAt(string.concat(key, ".hints"));
        vm.expectPartialRevert(selector);
        verifier.verify(evidence, known);
    }
}
