// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Collateral} from "contracts/interfaces/IIntelCollateral.sol";
import {CollateralWord, CollateralWords} from "contracts/types/CollateralWord.sol";
import {Test} from "../Vm.sol";

contract CollateralWordTest is Test {
    Collateral private kept;

    function testFuzz_load_ReadsWhatTheCompilerStored(Collateral memory wanted) external {
        kept = wanted;
        CollateralWord word = CollateralWords.load(kept);
        assertEq(word.digest(), wanted.digest, "digest");
        assertEq(word.issuedAt(), wanted.issuedAt, "issuedAt");
        assertEq(word.validUntil(), wanted.validUntil, "validUntil");
        assertEq(word.epoch(), wanted.epoch, "epoch");
    }
}
