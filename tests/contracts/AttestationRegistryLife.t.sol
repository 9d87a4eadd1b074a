// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {
    IAttestationRegistry,
    RegistrationRequest,
    SignerInfo
} from "contracts/interfaces/IAttestationRegistry.sol";
import {Claims} from "contracts/interfaces/IAttestationVerifier.sol";
import {LifeCause} from "contracts/types/LifeCause.sol";
import {TcbStatus} from "contracts/types/TcbStatus.sol";
import {RegistrySetup} from "./RegistrySetup.sol";

/// @notice How long a registration lives, and what ends it.
contract AttestationRegistryLifeTest is RegistrySetup {
    function test_register_EndsWithTheImagesAge() external {
        registry.register(requestAt(HEIGHT - 5));
        ends(NOW + 7 days, LifeCause.AGE);
    }

    function test_register_EndsWithTheCertificates() external {
        Claims memory claims = claimsFor(requestAt(HEIGHT - 5));
        claims.notAfter = uint64(NOW + 2 days);
        register(claims);
        ends(NOW + 2 days, LifeCause.CERTIFICATE);
    }

    function test_register_EndsWithTheCollateralAndItsGrace() external {
        Claims memory claims = claimsFor(requestAt(HEIGHT - 5));
        claims.collateralUntil = uint64(NOW + 2 days);
        register(claims);
        ends(NOW + 2 days + COLLATERAL_GRACE_S, LifeCause.COLLATERAL);
    }

    function test_register_EndsWithTheGraceAfterARecovery() external {
        Claims memory claims = claimsFor(requestAt(HEIGHT - 5));
        claims.supersededAt = uint64(NOW - 2 days);
        register(claims);
        ends(NOW - 2 days + RECOVERY_GRACE_S, LifeCause.RECOVERY);
    }

    /// @dev Never later than any of its grounds, and less than 64 s earlier than the first of them.
    function testFuzz_register_RoundsTheEndDown(
        uint256 now_,
        uint256 notAfter,
        uint256 collateralUntil,
        uint256 supersededAt
    ) external {
        vm.warp(bound(now_, NOW, NOW + 1000));
        Claims memory claims = claimsFor(requestAt(HEIGHT - 5));
        claims.notAfter = uint64(bound(notAfter, block.timestamp + 128, NOW + 10 days));
        claims.collateralUntil = uint64(bound(collateralUntil, block.timestamp, NOW + 10 days));
        claims.supersededAt = uint64(bound(supersededAt, block.timestamp, NOW + 10 days));
        register(claims);
        SignerInfo memory info = registry.signerInfo(signer);
        assertEq(info.registeredAt, block.timestamp / 64 * 64, "begin");
        uint256[4] memory grounds = [
            uint256(info.registeredAt) + 7 days,
            uint256(claims.notAfter),
            uint256(claims.collateralUntil) + COLLATERAL_GRACE_S,
            uint256(claims.supersededAt) + RECOVERY_GRACE_S
        ];
        for (uint256 i; i < 4; ++i) {
            assertLe(info.expiresAt, grounds[i], "end");
        }
        assertEq(info.expiresAt, grounds[info.cause - LifeCause.AGE] / 64 * 64, "cause");
    }

    function test_register_RevertWhen_NothingIsLeftOnceRoundedDown() external {
        vm.warp(NOW + 1);
        RegistrationRequest memory r = requestAt(HEIGHT - 5);
        Claims memory claims = claimsFor(r);
        claims.notAfter = uint64(NOW + 63);
        r.evidence = abi.encode(claims);
        vm.expectRevert(
            abi.encodeWithSelector(
                IAttestationRegistry.AttestationRegistry_EvidenceExpired.selector, NOW, NOW + 1
            )
        );
        registry.register(r);
        ++claims.notAfter;
        r.evidence = abi.encode(claims);
        registry.register(r);
        ends(NOW + 64, LifeCause.CERTIFICATE);
    }

    function test_lifeLeft_CountsDown() external {
        registry.register(requestAt(HEIGHT - 5));
        left(7 days, LifeCause.AGE);
        vm.warp(NOW + 7 days - 1);
        left(1, LifeCause.AGE);
        assertTrue(registry.isValid(signer), "valid in its last second");
        vm.warp(NOW + 7 days);
        left(0, LifeCause.AGE);
        assertTrue(!registry.isValid(signer), "not valid at its end");
        vm.warp(NOW + 70 days);
        left(0, LifeCause.AGE);
    }

    function test_lifeLeft_IsNothingForAnUnknownSigner() external {
        left(0, LifeCause.NONE);
        policy.withdrawImage(IMAGE);
        left(0, LifeCause.NONE);
    }

    function test_lifeLeft_IsNothingOnceTheImageIsWithdrawn() external {
        registry.register(requestAt(HEIGHT - 5));
        policy.withdrawImage(IMAGE);
        left(0, LifeCause.WITHDRAWN);
        SignerInfo memory info = registry.signerInfo(signer);
        assertTrue(!info.valid && !info.revoked, "not valid");
        assertEq(info.expiresAt, NOW + 7 days, "the record is as it was");
    }

    function test_lifeLeft_IsNothingOnceRevoked() external {
        registry.register(requestAt(HEIGHT - 5));
        registry.revoke(signer);
        left(0, LifeCause.REVOKED);
        policy.withdrawImage(IMAGE);
        left(0, LifeCause.REVOKED);
    }

    function test_lifeLeft_IsNothingOnceSuspended() external {
        vm.warp(NOW + 100);
        RegistrationRequest memory r = requestAt(HEIGHT - 5);
        registry.register(r);
        Claims memory claims = claimsFor(r);
        claims.tcbStatus = TcbStatus.OUT_OF_DATE;
        vm.warp(NOW + 1 days + 63);
        registry.recheck(recheckOf(r, claims));
        left(0, LifeCause.APPRAISAL);
        assertEq(registry.signerInfo(signer).expiresAt, NOW + 1 days, "end");
        assertEq(registry.signerInfo(signer).registeredAt, NOW + 64, "begin");
    }

    /// @dev Only the policy withdraws images.
    function test_imageWithdrawn_RevertWhen_CallerIsNotThePolicy() external {
        registry.register(requestAt(HEIGHT - 5));
        address[3] memory others = [address(this), GUARDIAN, OPERATOR];
        for (uint256 i; i < 3; ++i) {
            vm.expectRevert(
                abi.encodeWithSelector(
                    IAttestationRegistry.AttestationRegistry_NotImagePolicy.selector, others[i]
                )
            );
            vm.prank(others[i]);
            registry.imageWithdrawn(1);
        }
        assertTrue(registry.isValid(signer), "valid");
    }

    /// @dev A withdrawal stops the signers of its image and no other.
    function test_imageWithdrawn_StopsItsSignersAlone() external {
        registry.register(requestAt(HEIGHT - 5));
        for (uint256 i = 2; i < 260; ++i) {
            bytes32 other = keccak256(abi.encode("other", i));
            approve(other, 1, 7 days);
            policy.withdrawImage(other);
        }
        assertTrue(registry.isValid(signer), "valid");
        policy.withdrawImage(IMAGE);
        assertTrue(!registry.isValid(signer), "not valid");
    }

    function register(Claims memory claims) private {
        RegistrationRequest memory r = requestAt(HEIGHT - 5);
        r.evidence = abi.encode(claims);
        registry.register(r);
    }

    function ends(uint256 end, uint8 cause) private view {
        SignerInfo memory info = registry.signerInfo(signer);
        assertTrue(info.valid, "valid");
        assertEq(info.expiresAt, end, "end");
        assertEq(info.cause, cause, "cause");
    }

    function left(uint256 wanted_s, uint8 wantedCause) private view {
        (uint256 seconds_, uint8 cause) = registry.lifeLeft(signer);
        assertEq(seconds_, wanted_s, "seconds");
        assertEq(cause, wantedCause, "cause");
        assertTrue(registry.isValid(signer) == (seconds_ != 0), "valid");
        assertEq(registry.signerInfo(signer).cause, cause, "the same cause");
    }
}
