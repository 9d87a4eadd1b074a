// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CollateralFixture} from "../CollateralFixture.sol";

/// @notice Whole transactions of the largest inputs that are taken.
contract IntelCollateralGasTest is CollateralFixture {
    /// @dev An eighth of what a transaction may use (EIP-7825).
    uint256 private constant MOST = 16_777_216 / 8;

    function setUp() external {
        load();
        deployReady();
    }

    function test_updateRootCrl_CostsAtMostAnEighthOfATransaction() external {
        bytes memory crl = largest(".rootCrl");
        assertTrue(crl.length > 4000, "the longest");
        _measure(abi.encodeCall(collateral.updateRootCrl, (crl)), "root CRL");
    }

    function test_updatePckCrl_CostsAtMostAnEighthOfATransaction() external {
        bytes memory crl = largest(".pckCrl");
        assertTrue(crl.length > 49_000, "the longest");
        _measure(abi.encodeCall(collateral.updatePckCrl, (crl, caId)), "PCK CRL");
    }

    function test_updateTcbInfo_OfLevelsCostsAtMostAnEighthOfATransaction() external {
        bytes memory text = largest(".levels.text");
        assertEq(text.length, 32_768, "the longest");
        _measure(callSigned(1, text), "levels");
    }

    function test_updateTcbInfo_OfModulesCostsAtMostAnEighthOfATransaction() external {
        bytes memory text = largest(".modules.text");
        assertTrue(text.length > 31_000, "near the longest");
        _measure(callSigned(1, text), "modules");
    }

    /// @dev 64 numbers is the most; an entry has 118 bytes with the largest number.
    function test_updateEvaluationNumbers_CostsAtMostAnEighthOfATransaction() external {
        bytes memory entry =
            "{\"tcbEvaluationDataNumber\":4294967295,\"tcbRecoveryEventDate\":\"2031-05-22T00:00:00Z\",\"tcbDate\":\"2031-05-22T00:00:00Z\"}";
        bytes memory text =
            "{\"id\":\"SGX\",\"version\":1,\"issueDate\":\"2031-05-31T00:00:00Z\",\"nextUpdate\":\"2031-06-30T00:00:00Z\",\"tcbEvalNumbers\":[";
        for (uint256 i; i < 64; ++i) {
            text = bytes.concat(text, i == 0 ? bytes("") : bytes(","), entry);
        }
        _measure(callSigned(3, bytes.concat(text, "]}")), "numbers");
    }

    /// @dev One advisory as long as the text may be.
    function test_updateQeIdentity_CostsAtMostAnEighthOfATransaction() external {
        bytes memory text = textOf(".documents.sgxQe");
        bytes memory ending = "\"advisoryIDs\":[\"";
        bytes memory filling = new bytes(32_768 - text.length);
        for (uint256 i; i < filling.length; ++i) {
            filling[i] = "A";
        }
        text = replaced(text, ending, bytes.concat(ending, filling));
        assertEq(text.length, 32_768, "the longest");
        _measure(callSigned(2, text), "QE identity");
    }

    function test_cacheAuthority_CostsAtMostAnEighthOfATransaction() external {
        bytes memory certificate = bytesAt(".accepted.signer.certificate");
        _measure(abi.encodeCall(collateral.cacheAuthority, (certificate)), "certificate");
    }

    function _measure(bytes memory call, string memory what) private {
        assertLe(transactionGas(call), MOST, what);
    }
}
