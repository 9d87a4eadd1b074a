// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {P256 as OpenZeppelinP256} from "@openzeppelin/contracts/utils/cryptography/P256.sol";

/// @title ECDSA over P-256 in Solidity, for chains without P256VERIFY: OpenZeppelin's, called as
///        the precompile is
/// @notice Takes any call: 160 bytes, digest, r, s, x and y. Answers 1 in a word of 32 bytes if the
///         signature verifies, and nothing otherwise, like the precompile.
/// @dev Reference: EIP-7951. It has no functions, no storage and no owner.
contract SolidityP256 {
    uint256 private constant N = OpenZeppelinP256.N;

    fallback(bytes calldata input) external returns (bytes memory) {
        if (input.length != 160) return "";
        (bytes32 digest, bytes32 r, bytes32 s, bytes32 x, bytes32 y) =
            abi.decode(input, (bytes32, bytes32, bytes32, bytes32, bytes32));
        // OpenZeppelin's refuses the upper half of s, for which the precompile accepts its twin.
        // What is not below n is left as it is, to be refused.
        if (uint256(s) > N / 2 && uint256(s) < N) s = bytes32(N - uint256(s));
        return OpenZeppelinP256.verifySolidity(digest, r, s, x, y) ? abi.encode(1) : bytes("");
    }
}
