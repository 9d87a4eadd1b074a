// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {
    RegistrationRequest,
    SignerInfo,
    Statement
} from "contracts/interfaces/IAttestationRegistry.sol";
import {Claims} from "contracts/interfaces/IAttestationVerifier.sol";
import {IImagePolicy, ImageInfo} from "contracts/interfaces/IImagePolicy.sol";
import {LifeCause} from "contracts/types/LifeCause.sol";
import {SignerRecord} from "contracts/types/SignerRecord.sol";
import {TcbStatus} from "contracts/types/TcbStatus.sol";
import {TeeKind} from "contracts/types/Tee.sol";
import {RegistrySetup} from "./RegistrySetup.sol";
import {Test} from "./Vm.sol";

/// @notice Operators, governance, guardian, a forger and a stranger who re-checks at work, and what they did.
/// @dev The vendor's numbers are 16 to 20, each public from a day on. A machine is up to date under
///      the numbers up to its level, and out of date under those above.
contract RegistryHandler is RegistrySetup {
    uint256 public constant SIGNERS = 4;
    uint256 public constant IMAGES = 3;
    uint32 public constant MAX_AGE_S = 7 days;
    /// @dev Number 17, shown, with collateral for a month and certificates for fifty days.
    uint256 public constant USUAL =
        1 + (1 << 8) + (1 << 11) + (uint256(29 days) << 16) + (uint256(50 days) << 64);
    uint32 private constant FIRST_NUMBER = 16;
    uint32 private constant LAST_NUMBER = 20;
    /// @dev The slot of the records, behind those of `Governed` and `VerifierList`.
    uint256 private constant RECORDS_SLOT = 6;
    address private constant HUB = address(0x4b);

    mapping(address signer => bool isSo) public wasAttested;
    mapping(address signer => bool isSo) public wasRevoked;
    mapping(address signer => uint256 time) public ageEnd;
    mapping(address signer => uint256 time) public groundsEnd;
    mapping(bytes32 imageId => bool isSo) public wasWithdrawn;
    mapping(address signer => RegistrationRequest last) private _lasts;
    mapping(bytes32 imageId => uint32 maxAge_s) private _maxAges;
    uint256 public clearings;
    uint256 public forgeries;
    uint256 public convicted;
    uint256 public framed;
    uint256 public extended;
    uint256 public suspended;
    uint256 public shortened;
    uint256 public wronged;
    uint256 public replayed;
    uint256 public revokedByStrangers;
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
        _maxAges[IMAGE] = MAX_AGE_S;
        for (uint256 i = 1; i < IMAGES; ++i) {
            approve(imageOf(i), TeeKind.SGX, MAX_AGE_S);
            _maxAges[imageOf(i)] = MAX_AGE_S;
        }
    }

    function register(uint256 who, uint256 which, uint256 any) external inTime {
        (RegistrationRequest memory r, Claims memory claims) = sound(who, which, any);
        uint64 before = refBlockOf(r.signer);
        try registry.register(r) {
            if (r.refBlock <= before) ++replayed;
            wasAttested[r.signer] = true;
            ageEnd[r.signer] = _now + _maxAges[claims.imageId];
            groundsEnd[r.signer] = groundsEndOf(claims);
            _lasts[r.signer] = r;
        } catch {}
    }

    /// @dev What was registered before, once more, or the last of another signer.
    function replay(uint256 who) external inTime {
        RegistrationRequest memory r = _lasts[signerOf(who)];
        if (r.signer == address(0)) return;
        setHash(r.refBlock);
        try registry.register(r) {
            ++replayed;
        } catch {}
    }

    function forge(uint256 who, uint256 which, uint256 any) external inTime {
        (RegistrationRequest memory r, Claims memory claims) = sound(who, which, any);
        uint256 bit = any % 512;
        if (bit < 256) claims.reportData0 ^= bytes32(2 ** bit);
        else claims.reportData1 ^= bytes32(2 ** (bit - 256));
        r.evidence = abi.encode(claims);
        try registry.register(r) {
            ++forgeries;
        } catch {}
    }

    /// @dev Anyone, with collateral of any number, shown or not, that ends at any time.
    function recheck(uint256 who, uint256 any) external inTime {
        RegistrationRequest memory r = _lasts[signerOf(who)];
        if (r.signer == address(0)) return;
        Claims memory claims = abi.decode(r.evidence, (Claims));
        collate(claims, who, any);
        SignerInfo memory before = registry.signerInfo(r.signer);
        vm.prank(address(uint160(0xa11 + any % 3)));
        try registry.recheck(recheckOf(r, claims)) {
            SignerInfo memory info = registry.signerInfo(r.signer);
            if (info.expiresAt <= _now) {
                ++suspended;
                ++clearings;
                if (_isTakenUnderAnyNumber(who, before.imageId)) ++wronged;
            } else {
                ++extended;
                if (info.expiresAt <= before.expiresAt) ++shortened;
                ageEnd[r.signer] = before.registeredAt + _maxAges[before.imageId];
                groundsEnd[r.signer] = groundsEndOf(claims);
            }
        } catch {}
    }

    function changeAge(uint256 which, uint256 age_s) external inTime {
        bytes32 imageId = imageOf(which % IMAGES);
        uint32 maxAge_s = uint32(bound(age_s, 1 days, 14 days));
        bytes memory call =
            abi.encodeCall(IImagePolicy.changeRequirements, (imageId, strict(maxAge_s)));
        policy.propose(call);
        try policy.execute(call) {
            _maxAges[imageId] = maxAge_s;
        } catch {
            policy.cancel(keccak256(call));
        }
    }

    function revoke(uint256 who, uint256 by) external inTime {
        address signer_ = signerOf(who);
        address[6] memory callers =
            [OPERATOR, GUARDIAN, address(this), signer_, address(policy), address(0xbad)];
        vm.prank(callers[by % 6]);
        try registry.revoke(signer_) {
            if (by % 6 > 2) ++revokedByStrangers;
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
        _maxAges[imageOf(which % IMAGES)] = MAX_AGE_S;
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

    /// @dev As it stands in storage; nobody is told.
    function refBlockOf(address signer_) public view returns (uint64) {
        bytes32 slot = keccak256(abi.encode(signer_, RECORDS_SLOT));
        return SignerRecord.wrap(uint256(vm.load(address(registry), slot))).refBlock();
    }

    /// @dev A registration at one of the latest heights, with consent and claims to match.
    function sound(uint256 who, uint256 which, uint256 any)
        private
        returns (RegistrationRequest memory r, Claims memory claims)
    {
        setHash(_height++);
        vm.roll(_height);
        r.verifierId = verifierId;
        r.signer = signerOf(who);
        r.operator = OPERATOR;
        r.hpkePublicKey = HPKE_KEY;
        r.refBlock = _height - 1 - uint64((any >> 128) % 3);
        consent(r, 1 + who % SIGNERS);
        claims = claimsFor(r);
        claims.imageId = imageOf(which % IMAGES);
        // Mostly under the first number that is taken, so that most runs hold signers.
        collate(claims, who, (any >> 192) % 3 == 0 ? any : USUAL);
        r.evidence = abi.encode(claims);
    }

    /// @dev What the verifier says of a signer's machine now, under one of the vendor's numbers.
    function collate(Claims memory claims, uint256 who, uint256 any) private view {
        uint32 number = FIRST_NUMBER + uint32((any & 0xFF) % 5);
        claims.evaluationNumber = number;
        claims.tcbStatus = statusOf(who, number);
        claims.publicSince = publicAt(number);
        bool isHighest = number == LAST_NUMBER || publicAt(number + 1) > _now;
        claims.supersededAt = isHighest ? type(uint64).max : publicAt(number + 1);
        // One in eight each: not shown, mixed.
        if (any >> 8 & 7 == 0) claims.publicSince = claims.supersededAt = 0;
        if (any >> 11 & 7 == 0) claims.publicSince = 0;
        claims.collateralUntil = uint64(_now + uint48(any >> 16) % 30 days);
        claims.notAfter = uint64(_now + uint64(any >> 64) % 60 days);
    }

    /// @dev Whether the policy would take a machine under any number that there is, by the rules as
    ///      they are meant: high enough, and not superseded for longer than the grace.
    function _isTakenUnderAnyNumber(uint256 who, bytes32 imageId) private view returns (bool) {
        if (wasWithdrawn[imageId]) return false;
        for (uint32 number = MIN_NUMBER; number <= LAST_NUMBER; ++number) {
            bool isOver = number < LAST_NUMBER && publicAt(number + 1) + RECOVERY_GRACE_S <= _now;
            if (!isOver && statusOf(who, number) == TcbStatus.UP_TO_DATE) return true;
        }
        return false;
    }

    /// @dev The level of the test's machines: 17 to 20.
    function statusOf(uint256 who, uint32 number) private pure returns (uint8) {
        return number <= MIN_NUMBER + who % SIGNERS ? TcbStatus.UP_TO_DATE : TcbStatus.OUT_OF_DATE;
    }

    /// @dev 17 has been public for long; then one every twenty days.
    function publicAt(uint32 number) private pure returns (uint64) {
        return uint64(NOW - 30 days + (number - FIRST_NUMBER) * 20 days);
    }

    function groundsEndOf(Claims memory claims) private pure returns (uint256 end) {
        end = claims.notAfter;
        uint256 other = uint256(claims.collateralUntil) + COLLATERAL_GRACE_S;
        if (other < end) end = other;
        other = uint256(claims.supersededAt) + RECOVERY_GRACE_S;
        if (other < end) end = other;
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
        bytes4[] memory selectors = new bytes4[](13);
        selectors[0] = RegistryHandler.register.selector;
        selectors[1] = RegistryHandler.forge.selector;
        selectors[2] = RegistryHandler.revoke.selector;
        selectors[3] = RegistryHandler.withdraw.selector;
        selectors[4] = RegistryHandler.approveAgain.selector;
        selectors[5] = RegistryHandler.pass.selector;
        // Twice: most runs should hold more than one signer.
        selectors[6] = RegistryHandler.register.selector;
        selectors[7] = RegistryHandler.accuse.selector;
        selectors[8] = RegistryHandler.recheck.selector;
        selectors[9] = RegistryHandler.recheck.selector;
        selectors[10] = RegistryHandler.replay.selector;
        selectors[11] = RegistryHandler.changeAge.selector;
        selectors[12] = RegistryHandler.pass.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector({addr: address(handler), selectors: selectors});
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// @dev The invariants would hold of a registry that takes nothing.
    function test_handler_RegistersRevokesAndWithdraws() external {
        uint256 usual = handler.USUAL();
        handler.register(0, 0, usual);
        handler.register(1, 1, usual);
        handler.register(2, 1, usual);
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

    /// @dev Under number 18, which signer 0's machine does not meet, once 17 is over.
    function test_handler_SuspendsAndExtends() external {
        uint256 usual = handler.USUAL();
        uint256 under18 = usual + 1;
        handler.register(0, 0, usual);
        handler.register(1, 0, usual);
        handler.changeAge(0, 13 days);
        handler.recheck(0, under18);
        assertEq(handler.suspended(), 0, "17 is still taken");
        handler.recheck(1, under18);
        assertEq(handler.extended(), 1, "extended");
        handler.pass(4 days);
        handler.pass(4 days);
        handler.register(0, 0, usual);
        handler.pass(4 days);
        handler.pass(4 days);
        handler.recheck(0, under18);
        assertEq(handler.suspended(), 0, "for another day");
        handler.pass(1 days);
        handler.recheck(0, under18);
        assertEq(handler.suspended(), 1, "suspended");
        assertEq(handler.clearings(), 1, "clearings");
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
            assertLe(handler.infoOf(signer).expiresAt, handler.ageEnd(signer), "end");
        }
    }

    function invariant_registrationEndsWithItsGrounds() external view {
        for (uint256 i; i < handler.SIGNERS(); ++i) {
            address signer = handler.signerOf(i);
            assertLe(handler.infoOf(signer).expiresAt, handler.groundsEnd(signer), "end");
        }
    }

    function invariant_acceptedRecheckOnlyLengthens() external view {
        assertEq(handler.shortened(), 0, "shortened");
    }

    function invariant_nobodySuspendsWhomThePolicyWouldTake() external view {
        assertEq(handler.wronged(), 0, "wronged");
    }

    function invariant_noBlockServesASignerTwice() external view {
        assertEq(handler.replayed(), 0, "replayed");
    }

    function invariant_strangersRevokeNobody() external view {
        assertEq(handler.revokedByStrangers(), 0, "by strangers");
        for (uint256 i; i < handler.SIGNERS(); ++i) {
            address signer = handler.signerOf(i);
            assertTrue(handler.infoOf(signer).revoked == handler.wasRevoked(signer), "revoked");
        }
    }

    function invariant_withdrawnImagesSignersAreNeverValid() external view {
        for (uint256 i; i < handler.SIGNERS(); ++i) {
            address signer = handler.signerOf(i);
            if (!handler.wasWithdrawn(handler.infoOf(signer).imageId)) continue;
            assertTrue(!handler.isValid(signer), "valid");
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

    function invariant_everyRevocationSuspensionAndWithdrawalClearsTheHubs() external view {
        assertEq(handler.cleared(), handler.clearings(), "cleared");
    }
}
