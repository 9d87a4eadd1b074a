// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {P384Code} from "../generated/P384Code.sol";
import {Sstore2} from "../libraries/Sstore2.sol";

/// @title Replays a verification of ECDSA over P-384; see the library `P384`
/// @notice No storage, no owner, no functions: any call is a verification. Creates the table that it
///         reads, whose address stands in its code.
contract P384Machine {
    constructor() {
        address table = Sstore2.write(P384Code.TABLE);
        bytes memory code =
            bytes.concat(P384Code.BEFORE_TABLE, bytes20(table), P384Code.AFTER_TABLE);
        assembly ("memory-safe") {
            return(add(code, 0x20), mload(code))
        }
    }
}
