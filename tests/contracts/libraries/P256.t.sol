// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {P256} from "contracts/libraries/P256.sol";
import {Test} from "../Vm.sol";

contract P256Test is Test {
    // RFC 6979, A.2.5: SHA-256 of "test".
    bytes32 private constant R = 0xf1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367;
    bytes32 private constant S = 0x019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083;
    bytes32 private constant X = 0x60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6;
    bytes32 private constant Y = 0x7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299;
    uint256 private constant N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551;
    uint256 private constant P = 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffff;

    bytes32 private digest = sha256("test");

    function test_verify_AcceptsAGoodSignature() external view {
        assertTrue(P256.verify(P256.PRECOMPILE, digest, R, S, X, Y), "good");
    }

    function test_verify_AcceptsTheMalleatedTwin() external view {
        assertTrue(P256.verify(P256.PRECOMPILE, digest, R, bytes32(N - uint256(S)), X, Y), "n - s");
    }

    function test_verify_RefusesNumbersOutsideTheirRange() external view {
        bytes32[4] memory out = [bytes32(0), bytes32(N), bytes32(N + 1), bytes32(type(uint256).max)];
        for (uint256 i; i < 4; ++i) {
            assertTrue(!P256.verify(P256.PRECOMPILE, digest, out[i], S, X, Y), "r out of range");
            assertTrue(!P256.verify(P256.PRECOMPILE, digest, R, out[i], X, Y), "s out of range");
        }
    }

    function test_verify_RefusesKeysOffTheCurve() external view {
        assertTrue(!P256.verify(P256.PRECOMPILE, digest, R, S, 0, 0), "infinity");
        assertTrue(
            !P256.verify(P256.PRECOMPILE, digest, R, S, X, bytes32(uint256(Y) ^ 1)), "off the curve"
        );
        assertTrue(
            !P256.verify(P256.PRECOMPILE, digest, R, S, X, bytes32(P - uint256(Y))), "mirrored"
        );
        assertTrue(!P256.verify(P256.PRECOMPILE, digest, R, S, bytes32(P), Y), "x = p");
    }

    /// @dev The precompile answers a failure with no data: nothing of an earlier call may be read.
    function test_verify_RefusesAfterAcceptance() external view {
        for (uint256 i; i < 4; ++i) {
            assertTrue(P256.verify(P256.PRECOMPILE, digest, R, S, X, Y), "good");
            assertTrue(!P256.verify(P256.PRECOMPILE, bytes32(i), R, S, X, Y), "another message");
        }
    }

    function test_verify_RefusesWhatAnswersOtherwise() external {
        bytes[5] memory answers =
            [bytes(""), abi.encode(0), abi.encode(2), abi.encodePacked(uint8(1)), abi.encode(1, 1)];
        for (uint256 i; i < answers.length; ++i) {
            vm.mockCall(P256.PRECOMPILE, "", answers[i]);
            assertTrue(!P256.verify(P256.PRECOMPILE, digest, R, S, X, Y), "only one word of 1");
        }
    }

    function test_isAvailable_TakesThisChain() external view {
        assertTrue(P256.isAvailable(P256.PRECOMPILE), "precompile");
    }

    function test_isAvailable_RefusesAChainWithoutThePrecompile() external {
        vm.mockCall(P256.PRECOMPILE, "", "");
        assertTrue(!P256.isAvailable(P256.PRECOMPILE), "no answer");
        vm.mockCall(P256.PRECOMPILE, "", abi.encode(1));
        assertTrue(!P256.isAvailable(P256.PRECOMPILE), "accepts everything");
    }

    function test_verify_AsksTheBackendThatItIsGiven() external {
        address other = address(0x1234);
        assertTrue(!P256.verify(other, digest, R, S, X, Y), "nobody there");
        vm.mockCall(other, abi.encode(digest, R, S, X, Y), abi.encode(1));
        assertTrue(P256.verify(other, digest, R, S, X, Y), "asked");
        assertTrue(!P256.verify(other, digest, S, R, X, Y), "with exactly these words");
    }

    function test_isAvailable_RefusesABackendThatReverts() external {
        vm.mockCallRevert(P256.PRECOMPILE, "", abi.encode(1));
        assertTrue(!P256.isAvailable(P256.PRECOMPILE), "reverts with the right answer");
    }

    function testFuzz_verify_RefusesAnyAlteredBit(uint256 any) external view {
        bytes32[5] memory words = [digest, R, S, X, Y];
        uint256 bit = bound(any, 0, 5 * 256 - 1);
        words[bit / 256] ^= bytes32(2 ** (bit % 256));
        assertTrue(
            !P256.verify(P256.PRECOMPILE, words[0], words[1], words[2], words[3], words[4]),
            "altered and accepted"
        );
    }

    function testFuzz_verify_RefusesArbitraryNumbers(
        bytes32 h,
        bytes32 r,
        bytes32 s,
        bytes32 x,
        bytes32 y
    ) external view {
        assertTrue(!P256.verify(P256.PRECOMPILE, h, r, s, x, y), "arbitrary and accepted");
    }
}
