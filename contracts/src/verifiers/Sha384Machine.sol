// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Sha384Code} from "../generated/Sha384Code.sol";

/// @title SHA-384 of the calldata; see the library `Sha384`
/// @notice No storage, no owner, no functions: any call is a digest.
contract Sha384Machine {
    constructor() {
        bytes memory code = Sha384Code.CODE;
        assembly ("memory-safe") {
            return(add(code, 0x20), mload(code))
        }
    }
}
