// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {P256} from "contracts/libraries/P256.sol";
import {Deploy} from "../Deploy.sol";
import {Test} from "../Vm.sol";

/// @notice P-256 in Solidity answers every call as the precompile of this chain does, byte for byte.
contract SolidityP256Test is Test {
    uint256 private constant N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551;
    uint256 private constant P = 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffff;
    bytes32 private constant DIGEST = sha256("test");

    address private backend;

    function setUp() external {
        backend = Deploy.shipped("SolidityP256", "");
    }

    function test_fallback_IsABackend() external view {
        assertTrue(P256.isAvailable(backend), "good and bad vector");
    }

    function test_fallback_AcceptsBothHalvesOfS() external view {
        (bytes32 r, bytes32 s, bytes32 x, bytes32 y) = _signed(3);
        assertTrue(P256.verify(backend, DIGEST, r, s, x, y), "s");
        assertTrue(P256.verify(backend, DIGEST, r, bytes32(N - uint256(s)), x, y), "n - s");
    }

    /// @dev The greatest s of the lower half and the least of the upper one are twins.
    function test_fallback_AcceptsTheMiddleS() external view {
        bytes32 r = 0x7cf27b188d034f7e8a52380304b51ac3c08969e277f21b35a60b48fc47669978;
        bytes32 x = 0x7ea0de14e941fc4e3f6cbb7fb2d11930179ae9b5b055100f7d82e8195e4dc0bd;
        bytes32 y = 0x2a89dd91d17e6d0c820e87e08b0875354f8d1d2916a75b13e8e346f43c50b125;
        _agree(abi.encode(DIGEST, r, N / 2, x, y), true);
        _agree(abi.encode(DIGEST, r, N / 2 + 1, x, y), true);
        _agree(abi.encode(DIGEST, r, N / 2 + 2, x, y), false);
    }

    function test_fallback_RefusesNumbersOutsideTheirRange() external view {
        (bytes32 r, bytes32 s, bytes32 x, bytes32 y) = _signed(3);
        bytes32[4] memory out = [bytes32(0), bytes32(N), bytes32(N + 1), bytes32(type(uint256).max)];
        for (uint256 i; i < out.length; ++i) {
            _agree(abi.encode(DIGEST, out[i], s, x, y), false);
            _agree(abi.encode(DIGEST, r, out[i], x, y), false);
        }
    }

    function test_fallback_RefusesKeysOffTheCurve() external view {
        (bytes32 r, bytes32 s, bytes32 x, bytes32 y) = _signed(3);
        _agree(abi.encode(DIGEST, r, s, bytes32(0), bytes32(0)), false);
        _agree(abi.encode(DIGEST, r, s, x, bytes32(uint256(y) ^ 1)), false);
        _agree(abi.encode(DIGEST, r, s, x, bytes32(P - uint256(y))), false);
        _agree(abi.encode(DIGEST, r, s, bytes32(P), y), false);
    }

    /// @dev x(R) = n + 3, so r = 3: the coordinate has to be reduced. An r of n + 3 is out of range.
    function test_fallback_AcceptsAPointWhoseCoordinateIsAboveTheOrder() external view {
        bytes32 x = 0xd06836ff8df747f02c7eb91a784d9293a9bd73bca1b26953e3680dddf8c672eb;
        bytes32 y = 0xc797900af34381d234d1d9fa59996f4aa5381860838c631a2787b1ea726ef5f0;
        uint256 s = 7;
        _agree(abi.encode(DIGEST, 3, s, x, y), true);
        _agree(abi.encode(DIGEST, 4, s, x, y), false);
        _agree(abi.encode(DIGEST, N + 3, s, x, y), false);
    }

    function test_fallback_RefusesAnyOtherLength() external view {
        (bytes32 r, bytes32 s, bytes32 x, bytes32 y) = _signed(3);
        bytes memory good = abi.encode(DIGEST, r, s, x, y);
        _agree(good, true);
        _agree(bytes.concat(good, hex"00"), false);
        _agree(bytes.concat(good, good), false);
        _agree("", false);
        for (uint256 length; length < 160; ++length) {
            bytes memory part = bytes.concat(good);
            assembly ("memory-safe") {
                mstore(part, length)
            }
            _agree(part, false);
        }
    }

    /// @dev Small multiples of the generator and their opposites: sums inside the multiplication are equal,
    ///      opposite or infinite.
    function test_fallback_AgreesOnKeysNearTheGenerator() external view {
        for (uint256 key = 1; key <= 9; ++key) {
            _agreeUnder(key, bytes32(0));
            _agreeUnder(N - key, bytes32(0));
            _agreeUnder(key, bytes32(N));
            _agreeUnder(N - key, DIGEST);
        }
    }

    function testFuzz_fallback_AgreesOnGoodSignatures(uint256 key, bytes32 digest, bool isHigh)
        external
        view
    {
        key = bound(key, 1, N - 1);
        (bytes32 r, bytes32 s) = vm.signP256(key, digest);
        (uint256 x, uint256 y) = vm.publicKeyP256(key);
        bool isTwin = (uint256(s) > N / 2) != isHigh;
        _agree(abi.encode(digest, r, isTwin ? N - uint256(s) : uint256(s), x, y), true);
    }

    function testFuzz_fallback_AgreesOnAnyAlteredBit(uint256 key, bytes32 digest, uint256 any)
        external
        view
    {
        key = bound(key, 1, N - 1);
        (bytes32 r, bytes32 s) = vm.signP256(key, digest);
        (uint256 x, uint256 y) = vm.publicKeyP256(key);
        bytes memory call = abi.encode(digest, r, s, x, y);
        uint256 bit = bound(any, 0, 8 * call.length - 1);
        call[bit / 8] ^= bytes1(uint8(1 << (bit % 8)));
        _agree(call, false);
    }

    function testFuzz_fallback_AgreesOnAnyBytes(bytes calldata call) external view {
        assertEq(_answer(backend, call), _answer(P256.PRECOMPILE, call), "arbitrary");
    }

    /// @dev Each word is one at the edge of a range, or a good one.
    function testFuzz_fallback_AgreesOnTheEdges(uint256 key, uint256 choices) external view {
        key = bound(key, 1, N - 1);
        (bytes32 r, bytes32 s) = vm.signP256(key, DIGEST);
        (uint256 x, uint256 y) = vm.publicKeyP256(key);
        bytes32[5] memory words = [DIGEST, r, s, bytes32(x), bytes32(y)];
        uint256[10] memory edges =
            [0, 1, N / 2, N / 2 + 1, N - 1, N, N + 1, P - 1, P, type(uint256).max];
        for (uint256 i; i < 5; ++i) {
            uint256 choice = (choices >> (16 * i)) % 30;
            if (choice < edges.length) words[i] = bytes32(edges[choice]);
        }
        bytes memory call = abi.encode(words);
        assertEq(_answer(backend, call), _answer(P256.PRECOMPILE, call), "edges");
    }

    /// @dev Gas of the calls; 6,900 is the precompile's own. contracts/README.md has the figures.
    function test_fallback_CostsAtMost() external view {
        (bytes32 r, bytes32 s, bytes32 x, bytes32 y) = _signed(3);
        bytes memory good = abi.encode(DIGEST, r, s, x, y);
        assertLe(_cost(P256.PRECOMPILE, good), 8_000, "precompile");
        assertLe(_cost(backend, good), 280_000, "in Solidity");
        assertLe(_cost(backend, abi.encode(~DIGEST, r, s, x, y)), 280_000, "in Solidity, refused");
    }

    function _signed(uint256 key)
        private
        pure
        returns (bytes32 r, bytes32 s, bytes32 x, bytes32 y)
    {
        (r, s) = vm.signP256(key, DIGEST);
        (uint256 x_, uint256 y_) = vm.publicKeyP256(key);
        return (r, s, bytes32(x_), bytes32(y_));
    }

    function _agreeUnder(uint256 key, bytes32 digest) private view {
        (bytes32 r, bytes32 s) = vm.signP256(key, digest);
        (uint256 x, uint256 y) = vm.publicKeyP256(key);
        _agree(abi.encode(digest, r, s, x, y), true);
        _agree(abi.encode(digest, r, N - uint256(s), x, y), true);
        _agree(abi.encode(~digest, r, s, x, y), false);
    }

    function _agree(bytes memory call, bool isGood) private view {
        bytes memory wanted = isGood ? abi.encode(1) : bytes("");
        assertEq(_answer(P256.PRECOMPILE, call), wanted, "precompile");
        assertEq(_answer(backend, call), wanted, "in Solidity");
    }

    function _cost(address who, bytes memory call) private view returns (uint256) {
        uint256 before = gasleft();
        (bool isDone,) = who.staticcall(call);
        uint256 spent = before - gasleft();
        assertTrue(isDone, "reverts");
        return spent;
    }

    function _answer(address who, bytes memory call) private view returns (bytes memory) {
        (bool isDone, bytes memory answer) = who.staticcall(call);
        assertTrue(isDone, "reverts");
        return answer;
    }
}
