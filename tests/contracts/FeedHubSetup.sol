// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAttestationRegistry} from "contracts/interfaces/IAttestationRegistry.sol";
import {FeedListing, HubConfig, IFeedHub} from "contracts/interfaces/IFeedHub.sol";
import {IGoverned} from "contracts/interfaces/IGoverned.sol";
import {IImagePolicy} from "contracts/interfaces/IImagePolicy.sol";
import {ISignerSet} from "contracts/interfaces/ISignerSet.sol";
import {TeeKind, Tier} from "contracts/types/Tee.sol";

import {Deploy} from "./Deploy.sol";
import {Test} from "./Vm.sol";
import {FakeRegistry} from "./fakes/FakeRegistry.sol";

/// @notice An answer before it is packed.
struct Answer {
    uint16 index;
    int64 value;
    uint16 dispersion;
    uint8 sources;
    uint8 flags;
}

/// @notice A hub with seats and feeds, and enclaves that sign what a test wants signed.
abstract contract FeedHubSetup is Test {
    address internal constant GOVERNANCE = address(0x60);
    address internal constant GUARDIAN = address(0x61);
    address internal constant STRANGER = address(0x62);
    address internal constant IMAGES = address(0x63);
    uint256 internal constant START = 1_790_000_000;
    int64 internal constant MIN_ANSWER = 1000;
    int64 internal constant MAX_ANSWER = 9_000_000_000_000;
    uint16 internal constant JUMP_BPS = 1000;
    uint32 internal constant JUMP_LAPSE_S = 3600;
    uint32 internal constant MAX_AGE_S = 300;
    uint32 internal constant SKEW_S = 5;

    /// @dev Of the feeds that `_deploy` lists.
    uint16 internal _historyRounds;

    FakeRegistry internal registry;
    ISignerSet internal signerSet;
    IFeedHub internal hub;

    /// @dev Sets up `seats` seats, each with one Intel signer in its first position, and `feeds` feeds.
    function _deploy(uint256 seats, uint8 m, uint256 feeds) internal {
        vm.warp(START);
        registry = new FakeRegistry();
        signerSet = Deploy.signerSet({
            governance: GOVERNANCE,
            guardian: GUARDIAN,
            minDelay_s: 0,
            registry: IAttestationRegistry(address(registry)),
            images: IImagePolicy(IMAGES),
            reseatInterval_s: 0
        });
        hub = Deploy.feedHub(GOVERNANCE, GUARDIAN, 0, signerSet, _config(m, 1));
        _govern(signerSet, abi.encodeCall(ISignerSet.addHub, (hub)));
        for (uint256 seat = 0; seat < seats; ++seat) {
            _govern(signerSet, abi.encodeCall(ISignerSet.addSeat, (_operator(seat))));
            registry.register(_signer(2 * seat), _operator(seat));
            vm.prank(_operator(seat));
            signerSet.take(uint8(seat), _signer(2 * seat));
        }
        for (uint256 i = 0; i < feeds; ++i) {
            FeedListing memory listing = _listing(i);
            if (_historyRounds != 0) listing.historyRounds = _historyRounds;
            _govern(hub, abi.encodeCall(IFeedHub.listFeed, (listing)));
        }
        hub.rebuild();
    }

    /// @dev Proposes and executes at once: the delay is 0 here.
    function _govern(IGoverned target, bytes memory call) internal {
        vm.prank(GOVERNANCE);
        target.propose(call);
        target.execute(call);
    }

    function _config(uint8 m, uint8 d) internal pure returns (HubConfig memory) {
        return HubConfig({m: m, d: d, minTier: Tier.DEV, maxAge_s: MAX_AGE_S, skew_s: SKEW_S});
    }

    function _listing(uint256 i) internal pure virtual returns (FeedListing memory) {
        return FeedListing({
            decimals: 8,
            definition: abi.encodePacked('{"feed":"', bytes32(i), '"}'),
            minAnswer: MIN_ANSWER,
            maxAnswer: MAX_ANSWER,
            jumpBps: JUMP_BPS,
            jumpLapse_s: JUMP_LAPSE_S,
            historyRounds: 0
        });
    }

    function _operator(uint256 seat) internal pure returns (address) {
        return address(uint160(0x1000 + seat));
    }

    /// @dev Key of the signer that tests put into a position.
    function _key(uint256 position) internal pure returns (uint256) {
        return uint256(keccak256(abi.encode("signer", position)));
    }

    function _signer(uint256 position) internal pure returns (address) {
        return vm.addr(_key(position));
    }

    /// @dev The first positions of seats 0 to m - 1.
    function _firstSeats(uint256 m) internal pure returns (uint64 mask) {
        for (uint256 seat = 0; seat < m; ++seat) {
            mask |= uint64(1) << uint64(2 * seat);
        }
    }

    /// @dev What a constructor reverts with; empty if it does not.
    function _refusal(string memory name, bytes memory arguments)
        internal
        returns (bytes memory reason)
    {
        bytes memory code = abi.encodePacked(vm.getCode(Deploy.artifact(name)), arguments);
        assembly ("memory-safe") {
            if iszero(create(0, add(code, 32), mload(code))) {
                reason := mload(64)
                mstore(64, add(reason, add(32, returndatasize())))
                mstore(reason, returndatasize())
                returndatacopy(add(reason, 32), 0, returndatasize())
            }
        }
    }

    function _one(uint16 index, int64 value) internal pure returns (Answer[] memory answers) {
        answers = new Answer[](1);
        answers[0] = Answer(index, value, 12, 5, 0);
    }

    /// @dev `count` answers for the indexes from 0 in steps of `stride`.
    function _many(uint256 count, uint256 stride, int64 value)
        internal
        pure
        returns (Answer[] memory answers)
    {
        answers = new Answer[](count);
        for (uint256 i = 0; i < count; ++i) {
            answers[i] = Answer(uint16(i * stride), value + int64(uint64(i)), 12, 5, 0);
        }
    }

    function _pack(Answer[] memory answers) internal pure returns (bytes memory packed) {
        for (uint256 i = 0; i < answers.length; ++i) {
            Answer memory a = answers[i];
            packed = abi.encodePacked(packed, a.index, a.value, a.dispersion, a.sources, a.flags);
        }
    }

    /// @dev A report that the positions of the mask signed for this hub and its list in force.
    function _report(uint256 observedAt, Answer[] memory answers, uint64 mask)
        internal
        view
        returns (bytes memory)
    {
        return _reportFor(hub.domainSeparator(), hub.listRoot(), observedAt, _pack(answers), mask);
    }

    function _reportFor(
        bytes32 domain,
        bytes32 listRoot,
        uint256 observedAt,
        bytes memory entries,
        uint64 mask
    ) internal pure returns (bytes memory) {
        bytes32 digest = _digest(domain, listRoot, observedAt, entries);
        bytes memory signatures;
        for (uint256 position = 0; position < 64; ++position) {
            if (mask >> position & 1 == 0) continue;
            signatures = abi.encodePacked(signatures, _sign(_key(position), digest));
        }
        return abi.encodePacked(
            uint8(1),
            uint32(observedAt),
            listRoot,
            uint16(entries.length / 14),
            entries,
            mask,
            signatures
        );
    }

    /// @dev Written out apart from the contracts' own codec.
    function _digest(bytes32 domain, bytes32 listRoot, uint256 observedAt, bytes memory entries)
        internal
        pure
        returns (bytes32)
    {
        bytes32 typeHash =
            keccak256("Report(uint8 version,uint32 observedAt,bytes32 listRoot,bytes entries)");
        return keccak256(
            abi.encodePacked(
                hex"1901",
                domain,
                keccak256(abi.encode(typeHash, 1, observedAt, listRoot, keccak256(entries)))
            )
        );
    }

    function _sign(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, uint256(s) | uint256(v - 27) << 255);
    }

    /// @dev Registers and seats a signer of a kind of TEE in a seat's next position.
    function _seat(uint256 position, uint8 tee, uint8 tier) internal {
        uint256 seat = position / 2;
        registry.register(
            _signer(position), _operator(seat), tee, tier, uint64(block.timestamp + 30 days)
        );
        vm.prank(_operator(seat));
        signerSet.take(uint8(seat), _signer(position));
    }

    function _seat(uint256 position) internal {
        _seat(position, TeeKind.SGX, Tier.DIRECT);
    }
}
