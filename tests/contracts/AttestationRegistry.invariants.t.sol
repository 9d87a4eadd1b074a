// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {
    RegistrationRequest,
    SignerInfo,
    Statement
} from "contracts/interfaces/IAttestationRegistry.sol";
import {Claims} from "contracts/interfaces/IAttestationVerifier.sol";
import {ImageInfo} from "contracts/interfaces/IImagePolicy.sol";
import {TeeKind} from "contracts/types/Tee.sol";
import {RegistrySetup} from "./RegistrySetup.sol";
import {Test} from "./Vm.sol";

/// @notice Operators, governance, guardian and a forger at work, and what they did.
contract RegistryHandler is RegistrySetup {
    uint256 public constant SIGNERS = 4;
    uint256 public constant IMAGES = 3;
    uint32 public constant MAX_AGE_S = 7 days;
    address private constant HUB = address(0x4b);

    mapping(address signer => bool isSo) public wasAttested;
    mapping(address signer => bool isSo) public wasRevoked;
    mapping(address signer => uint256 time) public attestedAt;
    mapping(bytes32 imageId => bool isSo) public wasWithdrawn;
    uint256 public clearings;
    uint256 public forgeries;
    uint256 public convicted;
    uint256 public framed;
    uint256 private _now;
    uint64 private _height = HEIGHT;

    modifier inTime() {
        vm.warp(_now);
        vm.roll(_height);
        _;
    }

    constructor() {
        RegistrySetup.setUp();
        _now = block.timestamp;
        for (uint256 i = 1; i < IMAGES; ++i) {
            approve(imageOf(i), TeeKind.SGX, MAX_AGE_S);
        }
    }

    function register(uint256 who, uint256 which, uint256 short_s) external inTime {
        (RegistrationRequest memory r, Claims memory claims) = sound(who, which);
        if (short_s % 4 == 0) claims.notAfter = uint64(_now + 1 + short_s % 1 days);
        r.evidence = abi.encode(claims);
        try registry.register(r) {
            wasAttested[r.signer] = true;
            attestedAt[r.signer] = _now;
        } catch {}
    }

    function forge(uint256 who, uint256 which, uint256 any) external inTime {
        (RegistrationRequest memory r, Claims memory claims) = sound(who, which);
        uint256 bit = any % 512;
        if (bit < 256) claims.reportData0 ^= bytes32(2 ** bit);
        else claims.reportData1 ^= bytes32(2 ** (bit - 256));
        r.evidence = abi.encode(claims);
        try registry.register(r) {
            ++forgeries;
        } catch {}
    }

    function revoke(uint256 who, uint256 by) external inTime {
        address signer_ = signerOf(who);
        address[3] memory callers = [OPERATOR, GUARDIAN, address(this)];
        vm.prank(callers[by % 3]);
        try registry.revoke(signer_) {
            wasRevoked[signer_] = true;
            ++clearings;
        } catch {}
    }

    /// @dev Two statements of one signer about one feed and moment, or nearly so.
    function accuse(uint256 who, uint256 any) external inTime {
        uint256 key = 1 + who % SIGNERS;
        uint64[2] memory values = [uint64(1 + any % 2), uint64(1 + (any >> 1) % 2)];
        // One in four each: of another moment, or by another signer.
        uint32 moment = uint32(_now);
        uint32 other = any >> 8 & 3 == 0 ? moment - 1 : moment;
        uint256 otherKey = any >> 16 & 3 == 0 ? 1 + key % SIGNERS : key;
        Statement memory first = statement(key, moment, values[0]);
        Statement memory second = statement(otherKey, other, values[1]);
        try registry.proveEquivocation(HUB, 7, first, second) {
            bool isLiar = values[0] != values[1] && moment == other && key == otherKey;
            if (!isLiar) ++framed;
            wasRevoked[vm.addr(key)] = true;
            ++convicted;
            ++clearings;
        } catch {}
    }

    function withdraw(uint256 which, bool isGuardian) external inTime {
        bytes32 imageId = imageOf(which % IMAGES);
        vm.prank(isGuardian ? GUARDIAN : address(this));
        try policy.withdrawImage(imageId) {
            wasWithdrawn[imageId] = true;
            ++clearings;
        } catch {}
    }

    function approveAgain(uint256 which) external inTime {
        approve(imageOf(which % IMAGES), TeeKind.SGX, MAX_AGE_S);
    }

    function pass(uint256 time_s) external {
        _now += time_s % 5 days;
        vm.warp(_now);
    }

    function signerOf(uint256 who) public pure returns (address) {
        return vm.addr(1 + who % SIGNERS);
    }

    function imageOf(uint256 which) public pure returns (bytes32) {
        return which == 0 ? IMAGE : keccak256(abi.encode("image", which));
    }

    function isValid(address signer_) external view returns (bool) {
        return registry.isValid(signer_);
    }

    function infoOf(address signer_) external view returns (SignerInfo memory) {
        return registry.signerInfo(signer_);
    }

    function image(bytes32 imageId) external view returns (ImageInfo memory) {
        return policy.image(imageId);
    }

    function cleared() external view returns (uint256) {
        return signerSet.cleared();
    }

    function statement(uint256 key, uint32 observedAt, uint64 value)
        private
        view
        returns (Statement memory)
    {
        bytes32 typeHash =
            keccak256("Report(uint8 version,uint32 observedAt,bytes32 listRoot,bytes entries)");
        bytes memory entry = abi.encodePacked(uint16(7), value, uint16(0), uint16(0x0300));
        bytes32 hash = keccak256(abi.encode(typeHash, 1, observedAt, bytes32(0), keccak256(entry)));
        (uint8 v, bytes32 r, bytes32 s) =
            vm.sign(key, keccak256(abi.encodePacked(hex"1901", domainOf(HUB), hash)));
        uint256 vs = uint256(s) | uint256(v - 27) << 255;
        bytes memory head = abi.encodePacked(uint8(1), observedAt, bytes32(0), uint16(1));
        return Statement(abi.encodePacked(head, entry, uint64(1), r, vs), 0);
    }

    /// @dev A registration at a new height, with consent and claims to match.
    function sound(uint256 who, uint256 which)
        private
        returns (RegistrationRequest memory r, Claims memory claims)
    {
        setHash(_height++);
        vm.roll(_height);
        r.verifierId = verifierId;
        r.signer = signerOf(who);
        r.operator = OPERATOR;
        r.hpkePublicKey = HPKE_KEY;
        r.refBlock = _height - 1;
        consent(r, 1 + who % SIGNERS);
        claims = claimsFor(r);
        claims.imageId = imageOf(which % IMAGES);
    }
}

contract AttestationRegistryInvariantsTest is Test {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    RegistryHandler private handler;

    function setUp() external {
        handler = new RegistryHandler();
    }

    /// @dev Forge asks for the functions that it may call.
    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        bytes4[] memory selectors = new bytes4[](8);
        selectors[0] = RegistryHandler.register.selector;
        selectors[1] = RegistryHandler.forge.selector;
        selectors[2] = RegistryHandler.revoke.selector;
        selectors[3] = RegistryHandler.withdraw.selector;
        selectors[4] = RegistryHandler.approveAgain.selector;
        selectors[5] = RegistryHandler.pass.selector;
        // Twice: most runs should hold more than one signer.
        selectors[6] = RegistryHandler.register.selector;
        selectors[7] = RegistryHandler.accuse.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector({addr: address(handler), selectors: selectors});
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// @dev The invariants would hold of a registry that takes nothing.
    function test_handler_RegistersRevokesAndWithdraws() external {
        handler.register(0, 0, 1);
        handler.register(1, 1, 1);
        handler.register(2, 1, 1);
        assertTrue(handler.isValid(handler.signerOf(0)), "first");
        assertTrue(handler.isValid(handler.signerOf(2)), "third");
        handler.revoke(0, 0);
        assertTrue(!handler.isValid(handler.signerOf(0)), "revoked");
        handler.withdraw(1, true);
        assertTrue(!handler.isValid(handler.signerOf(1)), "withdrawn");
        assertEq(handler.clearings(), 2, "clearings");
        // Values 1 and 2, one moment, one signer.
        handler.accuse(2, 0x10101);
        assertEq(handler.convicted(), 1, "convicted");
        assertTrue(!handler.isValid(handler.signerOf(2)), "convicted");
    }

    function invariant_onlyBoundEvidenceMakesASigner() external view {
        assertEq(handler.forgeries(), 0, "forgeries");
        for (uint256 i; i < handler.SIGNERS(); ++i) {
            address signer = handler.signerOf(i);
            bool isKnown = handler.infoOf(signer).operator != address(0);
            assertTrue(isKnown == handler.wasAttested(signer), "known without evidence");
        }
    }

    function invariant_revokedSignerIsNeverValid() external view {
        for (uint256 i; i < handler.SIGNERS(); ++i) {
            address signer = handler.signerOf(i);
            if (!handler.wasRevoked(signer)) continue;
            assertTrue(handler.infoOf(signer).revoked, "forgotten");
            assertTrue(!handler.isValid(signer), "valid");
        }
    }

    function invariant_validSignerHasALiveImageAndTimeLeft() external view {
        for (uint256 i; i < handler.SIGNERS(); ++i) {
            address signer = handler.signerOf(i);
            SignerInfo memory info = handler.infoOf(signer);
            assertTrue(info.valid == handler.isValid(signer), "two answers");
            if (!info.valid) continue;
            assertTrue(handler.image(info.imageId).live, "image");
            assertTrue(block.timestamp < info.expiresAt, "time");
        }
    }

    function invariant_registrationEndsWithinTheImagesAge() external view {
        for (uint256 i; i < handler.SIGNERS(); ++i) {
            address signer = handler.signerOf(i);
            if (!handler.wasAttested(signer)) continue;
            uint256 most = handler.attestedAt(signer) + handler.MAX_AGE_S();
            assertLe(handler.infoOf(signer).expiresAt, most, "end");
        }
    }

    function invariant_withdrawnImageIsNeverLive() external view {
        for (uint256 i; i < handler.IMAGES(); ++i) {
            bytes32 imageId = handler.imageOf(i);
            if (handler.wasWithdrawn(imageId)) {
                assertTrue(!handler.image(imageId).live, "live");
            }
        }
    }

    function invariant_onlyLiarsAreConvicted() external view {
        assertEq(handler.framed(), 0, "framed");
    }

    function invariant_everyRevocationAndWithdrawalClearsTheHubs() external view {
        assertEq(handler.cleared(), handler.clearings(), "cleared");
    }
}
