// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice The cheat codes of forge that our tests use.
interface Vm {
    struct Log {
        bytes32[] topics;
        bytes data;
        address emitter;
    }

    function addr(uint256 privateKey) external pure returns (address);
    function sign(uint256 privateKey, bytes32 digest)
        external
        pure
        returns (uint8 v, bytes32 r, bytes32 s);
    function signP256(uint256 privateKey, bytes32 digest)
        external
        pure
        returns (bytes32 r, bytes32 s);
    function publicKeyP256(uint256 privateKey) external pure returns (uint256 x, uint256 y);
    function warp(uint256 timestamp) external;
    function roll(uint256 height) external;
    function chainId(uint256 id) external;
    function setBlockhash(uint256 height, bytes32 hash) external;
    function prank(address sender) external;
    function startPrank(address sender) external;
    function stopPrank() external;
    function deal(address who, uint256 balance) external;
    function etch(address where, bytes calldata code) external;
    function store(address where, bytes32 slot, bytes32 value) external;
    function load(address where, bytes32 slot) external view returns (bytes32);
    function label(address where, string calldata name) external;
    function assume(bool condition) external pure;
    function expectRevert() external;
    function expectRevert(bytes4 selector) external;
    function expectRevert(bytes calldata reason) external;
    function expectPartialRevert(bytes4 selector) external;
    function expectEmit() external;
    function expectEmit(bool topic1, bool topic2, bool topic3, bool data) external;
    function mockCall(address where, bytes calldata call, bytes calldata answer) external;
    function mockCallRevert(address where, bytes calldata call, bytes calldata reason) external;
    function expectCall(address where, bytes calldata call) external;
    function expectCall(address where, bytes calldata call, uint64 count) external;
    function record() external;
    function accesses(address where)
        external
        view
        returns (bytes32[] memory reads, bytes32[] memory writes);
    function recordLogs() external;
    function getRecordedLogs() external returns (Log[] memory);
    function computeCreateAddress(address deployer, uint256 nonce) external pure returns (address);
    function getNonce(address who) external view returns (uint64);
    function setNonceUnsafe(address who, uint64 nonce) external;
    function pauseGasMetering() external;
    function readFile(string calldata path) external view returns (string memory);
    function parseJson(string calldata json, string calldata key)
        external
        pure
        returns (bytes memory);
    function parseJsonUint(string calldata json, string calldata key)
        external
        pure
        returns (uint256);
    function parseJsonUintArray(string calldata json, string calldata key)
        external
        pure
        returns (uint256[] memory);
    function parseJsonInt(string calldata json, string calldata key) external pure returns (int256);
    function parseJsonString(string calldata json, string calldata key)
        external
        pure
        returns (string memory);
    function parseJsonAddress(string calldata json, string calldata key)
        external
        pure
        returns (address);
    function parseJsonBytes(string calldata json, string calldata key)
        external
        pure
        returns (bytes memory);
    function parseJsonBytes32(string calldata json, string calldata key)
        external
        pure
        returns (bytes32);
    function parseJsonBytes32Array(string calldata json, string calldata key)
        external
        pure
        returns (bytes32[] memory);
    function keyExistsJson(string calldata json, string calldata key) external view returns (bool);
    function toString(uint256 value) external pure returns (string memory);
    function toString(bytes32 value) external pure returns (string memory);
    function deployCode(string calldata artifact, bytes calldata arguments)
        external
        returns (address);
    function getCode(string calldata artifact) external view returns (bytes memory);
    function snapshotState() external returns (uint256);
    function revertToState(uint256 id) external returns (bool);
    function envOr(string calldata name, bool otherwise) external view returns (bool);
    function cool(address where) external;
    function lastCallGas() external view returns (Gas memory);
    function snapshotValue(string calldata group, string calldata name, uint256 value) external;

    struct Gas {
        uint64 gasLimit;
        uint64 gasTotalUsed;
        uint64 gasMemoryUsed;
        int64 gasRefunded;
        uint64 gasRemaining;
    }
}

/// @notice Base of every test contract: the cheat codes and assertions that say what they saw.
abstract contract Test {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    error Assert_NotEqual(string what, uint256 seen, uint256 wanted);
    error Assert_NotEqualInt(string what, int256 seen, int256 wanted);
    error Assert_NotEqualBytes32(string what, bytes32 seen, bytes32 wanted);
    error Assert_NotEqualAddress(string what, address seen, address wanted);
    error Assert_NotEqualBytes(string what, bytes seen, bytes wanted);
    error Assert_TooLarge(string what, uint256 seen, uint256 most);
    error Assert_False(string what);

    bool public constant IS_TEST = true;

    function assertEq(uint256 seen, uint256 wanted, string memory what) internal pure {
        require(seen == wanted, Assert_NotEqual(what, seen, wanted));
    }

    function assertEq(int256 seen, int256 wanted, string memory what) internal pure {
        require(seen == wanted, Assert_NotEqualInt(what, seen, wanted));
    }

    function assertEq(bytes32 seen, bytes32 wanted, string memory what) internal pure {
        require(seen == wanted, Assert_NotEqualBytes32(what, seen, wanted));
    }

    function assertEq(address seen, address wanted, string memory what) internal pure {
        require(seen == wanted, Assert_NotEqualAddress(what, seen, wanted));
    }

    function assertEq(bytes memory seen, bytes memory wanted, string memory what) internal pure {
        require(keccak256(seen) == keccak256(wanted), Assert_NotEqualBytes(what, seen, wanted));
    }

    function assertLe(uint256 seen, uint256 most, string memory what) internal pure {
        require(seen <= most, Assert_TooLarge(what, seen, most));
    }

    function assertTrue(bool isSo, string memory what) internal pure {
        require(isSo, Assert_False(what));
    }

    /// @dev A number in [least, most], derived from any number.
    function bound(uint256 any, uint256 least, uint256 most) internal pure returns (uint256) {
        return least + any % (most - least + 1);
    }
}
