// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Narrow} from "./Narrow.sol";

/// @title Data kept as the code of a contract, after a leading zero byte (STOP)
library Sstore2 {
    /// @notice The contract could not be created: too much data, or out of gas.
    error Sstore2_NotWritten(uint256 length);

    /// @dev After PUSH2 size: DUP1, PUSH1 10, RETURNDATASIZE, CODECOPY, RETURNDATASIZE, RETURN. Gives
    ///      what follows as code.
    bytes7 private constant INIT_CODE = 0x80600a3d393df3;

    /// @notice Create a contract whose code is `00 ‖ data`; `data` has at most 24,575 bytes.
    function write(bytes memory data) internal returns (address at_) {
        uint256 length = data.length;
        bytes memory init =
            abi.encodePacked(hex"61", Narrow.u16(length + 1), INIT_CODE, hex"00", data);
        assembly ("memory-safe") {
            at_ := create(0, add(init, 0x20), mload(init))
        }
        require(at_ != address(0), Sstore2_NotWritten(length));
    }

    /// @notice The hash of the code that `write` would make.
    function codeHash(bytes memory data) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(hex"00", data));
    }

    /// @notice The first `length` bytes of the data. Bytes that are not there read as zero.
    function read(address at_, uint256 length) internal view returns (bytes memory data) {
        assembly ("memory-safe") {
            data := mload(0x40)
            mstore(data, length)
            extcodecopy(at_, add(data, 0x20), 1, length)
            mstore(0x40, and(add(add(data, 0x3f), length), not(0x1f)))
        }
    }
}
