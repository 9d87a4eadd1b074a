// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {QeIdentity} from "./QeIdentity.sol";
import {TcbInfo} from "./TcbInfo.sol";
import {TcbLevels} from "./TcbLevels.sol";

/// @notice What the vendor says of the level that a platform, enclave or module meets.
struct TcbGrade {
    /// @dev PCESVN or ISVSVN of the level.
    uint16 svn;
    /// @dev One of `TcbStatus`; 0 when there are no levels.
    uint8 status;
    /// @dev Seconds since the epoch.
    uint40 date;
    /// @dev keccak256 of the JSON list between its brackets; 0 when it is empty.
    bytes32 advisories;
}

/// @notice Proofs against the digests of `IIntelCollateral`: the first level that is met.
/// @dev A proof of a level is `levels, in order, up to the one that is met | root of the rest (32)`;
///      the root of nothing is zero. None can show another level: what is before it must be shown
///      and must not be met.
library TcbProof {
    uint256 private constant ROOT = 32;
    /// @dev A module that another is behind: its head and the root of its levels.
    uint256 private constant SKIPPED = TcbInfo.MODULE_HEAD + 32;
    uint256 private constant EVEN =
        0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff;
    uint256 private constant CARRY =
        0x0100010001000100010001000100010001000100010001000100010001000100;

    /// @notice The proof is not at least one level and a root.
    error TcbProof_Length(uint256 seen, uint256 wantedEach);
    /// @notice What is shown is not what was committed to.
    error TcbProof_Commitment(bytes16 seen, bytes16 wanted);
    /// @notice A level before the last one shown is met.
    error TcbProof_NotTheFirst(uint256 index);
    /// @notice The last level shown is not met, and the table goes on.
    error TcbProof_NotMet(uint256 index);
    /// @notice No level of the table is met.
    error TcbProof_NoLevel(uint256 levels);
    /// @notice The module shown is another.
    error TcbProof_Module(uint8 seen, uint8 wanted);

    /// @notice The first platform level that is met in every version.
    /// @param components 16 SGX versions, the first in the highest byte, then 16 TDX versions; zeros
    ///        for SGX.
    /// @param pceSvn Version of the provisioning certification enclave.
    /// @return grade What the vendor says of it.
    /// @return root Root of the platform levels that the proof is of.
    function platform(bytes calldata proof, bytes32 components, uint16 pceSvn)
        internal
        pure
        returns (TcbGrade memory grade, bytes32 root)
    {
        uint256 last = _last(proof, TcbInfo.PLATFORM_LEVEL);
        for (uint256 i; i <= last; ++i) {
            uint256 start = i * TcbInfo.PLATFORM_LEVEL;
            bool isMet = covers(components, bytes32(proof[start:start + 32]))
                && pceSvn >= uint16(bytes2(proof[start + 32:start + 34]));
            _requireFirst(proof, i, last, isMet);
        }
        grade = _grade(proof[last * TcbInfo.PLATFORM_LEVEL + 32:]);
        root = _root(proof, TcbInfo.PLATFORM_LEVEL, last);
    }

    /// @notice The first level of one security version that is met.
    /// @return grade What the vendor says of it.
    /// @return root Root of the levels that the proof is of.
    function svn(bytes calldata proof, uint16 isvSvn)
        internal
        pure
        returns (TcbGrade memory grade, bytes32 root)
    {
        uint256 last = _last(proof, TcbLevels.SVN_LEVEL);
        for (uint256 i; i <= last; ++i) {
            uint256 start = i * TcbLevels.SVN_LEVEL;
            bool isMet = isvSvn >= uint16(bytes2(proof[start:start + 2]));
            _requireFirst(proof, i, last, isMet);
        }
        grade = _grade(proof[last * TcbLevels.SVN_LEVEL:]);
        root = _root(proof, TcbLevels.SVN_LEVEL, last);
    }

    /// @notice A TDX module and the first of its levels that is met.
    /// @dev A proof is `uint8 skipped | skipped × (head (65) | root of its levels (32)) | head (65)
    ///      | root of the modules behind it (32) | proof of its level`; the last is empty for id 0,
    ///      `tdxModule`, which has no levels.
    /// @param id Major version of the module; 0 for those before TDX 1.5.
    /// @param isvSvn Minor version of the module.
    /// @return head `uint8 id | MRSIGNER (48) | attributes (8) | mask (8)`.
    /// @return grade What the vendor says of it.
    /// @return root Root of the modules that the proof is of.
    function module(bytes calldata proof, uint8 id, uint16 isvSvn)
        internal
        pure
        returns (bytes calldata head, TcbGrade memory grade, bytes32 root)
    {
        require(proof.length > 0, TcbProof_Length(proof.length, SKIPPED));
        uint256 start = 1 + uint8(proof[0]) * SKIPPED;
        uint256 end = start + SKIPPED;
        require(proof.length >= end, TcbProof_Length(proof.length, SKIPPED));
        head = proof[start:start + TcbInfo.MODULE_HEAD];
        require(uint8(head[0]) == id, TcbProof_Module(uint8(head[0]), id));
        bytes32 levels = 0;
        if (id != 0) (grade, levels) = svn(proof[end:], isvSvn);
        else require(proof.length == end, TcbProof_Length(proof.length, end));
        root = keccak256(bytes.concat(head, levels, proof[end - ROOT:end]));
        for (; start > 1; start -= SKIPPED) {
            root = keccak256(bytes.concat(proof[start - SKIPPED:start], root));
        }
    }

    /// @notice The roots are those of a TCB info.
    /// @param modulesRoot 0 for SGX.
    function requireTcbInfo(
        bytes16 committed,
        bytes2 pceId,
        bytes32 modulesRoot,
        bytes32 levelsRoot
    ) internal pure {
        bytes16 seen = TcbInfo.digest(pceId, modulesRoot, levelsRoot);
        require(seen == committed, TcbProof_Commitment(seen, committed));
    }

    /// @notice Identity and root are those of a quoting enclave's identity.
    /// @param identity 74 bytes; layout in `ParsedQeIdentity`.
    function requireQeIdentity(bytes16 committed, bytes calldata identity, bytes32 levelsRoot)
        internal
        pure
    {
        require(
            identity.length == QeIdentity.IDENTITY,
            TcbProof_Length(identity.length, QeIdentity.IDENTITY)
        );
        bytes16 seen = QeIdentity.digest(identity, levelsRoot);
        require(seen == committed, TcbProof_Commitment(seen, committed));
    }

    /// @notice Whether each byte of `a` is at least that of `b`.
    function covers(bytes32 a, bytes32 b) internal pure returns (bool) {
        unchecked {
            // In each 16 bits a borrow clears the carry.
            uint256 even = ((uint256(a) & EVEN) | CARRY) - (uint256(b) & EVEN);
            uint256 odd = ((uint256(a) >> 8 & EVEN) | CARRY) - (uint256(b) >> 8 & EVEN);
            return even & odd & CARRY == CARRY;
        }
    }

    /// @dev Index of the last level of a proof.
    function _last(bytes calldata proof, uint256 size) private pure returns (uint256) {
        require(
            proof.length >= size + ROOT && (proof.length - ROOT) % size == 0,
            TcbProof_Length(proof.length, size)
        );
        return (proof.length - ROOT) / size - 1;
    }

    function _requireFirst(bytes calldata proof, uint256 index, uint256 last, bool isMet)
        private
        pure
    {
        if (index < last) {
            require(!isMet, TcbProof_NotTheFirst(index));
        } else if (!isMet) {
            bool isWhole = bytes32(proof[proof.length - ROOT:]) == 0;
            require(!isWhole, TcbProof_NoLevel(index + 1));
            revert TcbProof_NotMet(index);
        }
    }

    function _grade(bytes calldata level) private pure returns (TcbGrade memory) {
        return TcbGrade({
            svn: uint16(bytes2(level[:2])),
            status: uint8(level[2]),
            date: uint40(bytes5(level[3:8])),
            advisories: bytes32(level[8:40])
        });
    }

    function _root(bytes calldata proof, uint256 size, uint256 last)
        private
        pure
        returns (bytes32 root)
    {
        assembly ("memory-safe") {
            let scratch := mload(0x40)
            let level := add(proof.offset, mul(last, size))
            root := calldataload(add(level, size))
            for {} iszero(lt(level, proof.offset)) { level := sub(level, size) } {
                calldatacopy(scratch, level, size)
                mstore(add(scratch, size), root)
                root := keccak256(scratch, add(size, 0x20))
            }
        }
    }
}
