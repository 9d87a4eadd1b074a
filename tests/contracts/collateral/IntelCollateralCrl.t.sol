// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Authority, Collateral, IIntelCollateral} from "contracts/interfaces/IIntelCollateral.sol";
import {Der} from "contracts/libraries/Der.sol";
import {CollateralFixture} from "../CollateralFixture.sol";

/// @notice The root's CRL, and the PCK CAs'.
contract IntelCollateralCrlTest is CollateralFixture {
    bytes private rootList;
    bytes private pckList;

    function setUp() external {
        load();
        deployReady();
        (rootList, pckList) = (bytesAt(".rootCrls.second.der"), bytesAt(".pckCrls.second.der"));
    }

    function test_updateRootCrl_KeepsAndTellsWhatTheListSays() external {
        _assertKept(collateral.rootCrl(), ".rootCrls.first", 1);
        vm.expectEmit();
        emit IIntelCollateral.RootCrlUpdated({
            number: 7,
            issuedAt: uint40(numberAt(".rootCrls.second.issuedAt")),
            validUntil: uint40(numberAt(".rootCrls.second.validUntil")),
            epoch: 2,
            serials: bytesAt(".rootCrls.second.serials")
        });
        collateral.updateRootCrl(bytesAt(".rootCrls.second.der"));
        _assertKept(collateral.rootCrl(), ".rootCrls.second", 2);
        // The same serial number again is no news.
        collateral.updateRootCrl(bytesAt(".rootCrls.sameNumber.der"));
        _assertKept(collateral.rootCrl(), ".rootCrls.sameNumber", 2);
    }

    function test_updateRootCrl_AnyoneMayCall() external {
        vm.prank(address(0xbad));
        collateral.updateRootCrl(bytesAt(".rootCrls.second.der"));
        assertEq(collateral.rootCrl().number, 7, "kept");
    }

    function test_updateRootCrl_EndsNoLaterThanTheRoot() external {
        collateral.updateRootCrl(bytesAt(".rootCrls.outliving.der"));
        assertEq(collateral.rootCrl().validUntil, numberAt(".root.notAfter"), "the root's end");
    }

    function test_updateRootCrl_RemembersEverySerialNumber() external {
        uint160 signer = serialAt(".signer.serial");
        assertTrue(!collateral.isRevoked(signer), "not yet");
        collateral.updateRootCrl(bytesAt(".rootCrls.revoking.der"));
        assertEq(collateral.rootCrl().epoch, 2, "one list, one epoch");
        bytes memory strays = bytesAt(".strays");
        for (uint256 i; i < strays.length; i += 20) {
            assertTrue(collateral.isRevoked(uint160(bytes20(slice(strays, i, i + 20)))), "stray");
        }
        assertTrue(collateral.isRevoked(signer), "signer");
        assertTrue(!collateral.isRevoked(signer ^ 1), "nobody else");
        collateral.updateRootCrl(bytesAt(".rootCrls.forgetting.der"));
        assertTrue(collateral.isRevoked(signer), "a later list forgets nothing");
        _assertKept(collateral.rootCrl(), ".rootCrls.forgetting", 2);
    }

    function test_updateRootCrl_RevertWhen_ItIsTooLong() external {
        _refuseRoot(
            new bytes(4097),
            abi.encodeWithSelector(IIntelCollateral.IntelCollateral_TooLong.selector, 4097, 4096)
        );
    }

    function test_updateRootCrl_RevertWhen_AnotherIssuedIt() external {
        _refuseRoot(
            bytesAt(".rootCrls.otherIssuer.der"),
            abi.encodeWithSelector(
                IIntelCollateral.IntelCollateral_Issuer.selector,
                wordAt(".ca.nameHash"),
                wordAt(".root.nameHash")
            )
        );
    }

    function test_updateRootCrl_RevertWhen_AnotherSignedIt() external {
        refuse(
            abi.encodeCall(collateral.updateRootCrl, (bytesAt(".rootCrls.otherKey.der"))),
            IIntelCollateral.IntelCollateral_Signature.selector
        );
    }

    function test_updateRootCrl_RevertWhen_ItIsNotNewer() external {
        collateral.updateRootCrl(bytesAt(".rootCrls.second.der"));
        uint256 least = numberAt(".rootCrls.second.issuedAt") + 1;
        string[2] memory old = [".rootCrls.first", ".rootCrls.second"];
        for (uint256 i; i < 2; ++i) {
            _refuseRoot(
                bytesAt(string.concat(old[i], ".der")),
                abi.encodeWithSelector(
                    IIntelCollateral.IntelCollateral_NotNewer.selector,
                    numberAt(string.concat(old[i], ".issuedAt")),
                    least
                )
            );
        }
    }

    function test_updateRootCrl_RevertWhen_TheNumberFalls() external {
        collateral.updateRootCrl(bytesAt(".rootCrls.second.der"));
        _refuseRoot(
            bytesAt(".rootCrls.lowerNumber.der"),
            abi.encodeWithSelector(IIntelCollateral.IntelCollateral_CrlNumber.selector, 6, 7)
        );
        collateral.updateRootCrl(bytesAt(".rootCrls.sameNumber.der"));
    }

    function test_updateRootCrl_RevertWhen_ItHasEnded() external {
        deploy();
        collateral.updateRootCrl(bytesAt(".rootCrls.ending.der"));
        deploy();
        uint256 now_ = block.timestamp;
        _refuseRoot(
            bytesAt(".rootCrls.ended.der"),
            abi.encodeWithSelector(
                IIntelCollateral.IntelCollateral_Expired.selector, now_ - 1, now_
            )
        );
    }

    function test_updateRootCrl_RevertWhen_ItHasNotBegun() external {
        uint256 now_ = block.timestamp;
        _refuseRoot(
            bytesAt(".rootCrls.future.der"),
            abi.encodeWithSelector(
                IIntelCollateral.IntelCollateral_NotYetValid.selector, now_ + 1, now_
            )
        );
        vm.warp(now_ + 1);
        collateral.updateRootCrl(bytesAt(".rootCrls.future.der"));
    }

    function test_updateRootCrl_RevertWhen_BytesFollow() external {
        refuse(
            abi.encodeCall(
                collateral.updateRootCrl, (bytes.concat(bytesAt(".rootCrls.second.der"), hex"00"))
            ),
            Der.Der_TrailingBytes.selector
        );
    }

    function test_updatePckCrl_KeepsAndTellsWhatTheListSays() external {
        _assertKept(collateral.pckCrl(caId), "", 0);
        vm.expectEmit();
        emit IIntelCollateral.PckCrlUpdated({
            caId: caId,
            number: 7,
            issuedAt: uint40(numberAt(".pckCrls.revoking.issuedAt")),
            validUntil: uint40(numberAt(".pckCrls.revoking.validUntil")),
            epoch: 1,
            serials: bytesAt(".pckCrls.revoking.serials")
        });
        collateral.updatePckCrl(bytesAt(".pckCrls.revoking.der"), caId);
        _assertKept(collateral.pckCrl(caId), ".pckCrls.revoking", 1);
        // What a CA revokes is none of the root's revocations.
        assertTrue(!collateral.isRevoked(serialAt(".pck.serial")), "its own list alone");
        assertEq(collateral.rootCrl().epoch, 1, "and no new epoch");
    }

    function test_pckCollateral_GivesKeyListAndTheEarliestEnd() external {
        collateral.updatePckCrl(bytesAt(".pckCrls.first.der"), caId);
        (Authority memory ca, bytes16 list, uint40 end) = collateral.pckCollateral(caId);
        assertEq(ca.x, wordAt(".ca.x"), "x");
        assertEq(ca.y, wordAt(".ca.y"), "y");
        assertEq(bytes32(list), bytes32(halfAt(".pckCrls.first.digest")), "list");
        // Both lists were made at one moment, for the same time.
        assertEq(end, numberAt(".rootCrls.first.validUntil"), "end");
        collateral.updatePckCrl(bytesAt(".pckCrls.second.der"), caId);
        (,, end) = collateral.pckCollateral(caId);
        assertEq(end, numberAt(".rootCrls.first.validUntil"), "the root's list ends first");
        collateral.updateRootCrl(bytesAt(".rootCrls.outliving.der"));
        (,, end) = collateral.pckCollateral(caId);
        assertEq(end, numberAt(".pckCrls.second.validUntil"), "the CA's list ends first");
    }

    function test_updatePckCrl_EndsNoLaterThanTheCa() external {
        collateral.updatePckCrl(bytesAt(".pckCrls.outliving.der"), caId);
        assertEq(collateral.pckCrl(caId).validUntil, numberAt(".ca.notAfter"), "the CA's end");
    }

    function test_updatePckCrl_RevertWhen_TheCaIsUnusable() external {
        bytes memory crl = bytesAt(".pckCrls.first.der");
        bytes32 nobody = keccak256("nobody");
        _refusePck(
            crl,
            nobody,
            abi.encodeWithSelector(
                IIntelCollateral.IntelCollateral_UnknownAuthority.selector, nobody
            )
        );
        _refusePck(
            crl,
            signerId,
            abi.encodeWithSelector(
                IIntelCollateral.IntelCollateral_AuthorityKind.selector, false, true
            )
        );
        collateral.updateRootCrl(bytesAt(".rootCrls.second.der"));
        _refusePck(
            crl, caId, abi.encodeWithSelector(IIntelCollateral.IntelCollateral_Epoch.selector, 1, 2)
        );
    }

    function test_updatePckCrl_RevertWhen_TheCaHasEnded() external {
        bytes32 ending = collateral.cacheAuthority(bytesAt(".accepted.endingCa.certificate"));
        uint256 end = collateral.authority(ending).validUntil;
        collateral.updatePckCrl(bytesAt(".pckCrls.first.der"), ending);
        vm.warp(end + 1);
        _refusePck(
            bytesAt(".pckCrls.second.der"),
            ending,
            abi.encodeWithSelector(IIntelCollateral.IntelCollateral_Expired.selector, end, end + 1)
        );
        vm.expectRevert(
            abi.encodeWithSelector(IIntelCollateral.IntelCollateral_Expired.selector, end, end + 1)
        );
        collateral.pckCollateral(ending);
    }

    function test_updatePckCrl_RevertWhen_ItIsTooLong() external {
        _refusePck(
            new bytes(49_153),
            caId,
            abi.encodeWithSelector(
                IIntelCollateral.IntelCollateral_TooLong.selector, 49_153, 49_152
            )
        );
    }

    function test_updatePckCrl_RevertWhen_AnotherIssuedIt() external {
        _refusePck(
            bytesAt(".pckCrls.otherIssuer.der"),
            caId,
            abi.encodeWithSelector(
                IIntelCollateral.IntelCollateral_Issuer.selector,
                bytes32(bytes16(wordAt(".root.nameHash"))),
                bytes32(bytes16(wordAt(".ca.nameHash")))
            )
        );
    }

    function test_updatePckCrl_RevertWhen_AnotherSignedIt() external {
        refuse(
            abi.encodeCall(collateral.updatePckCrl, (bytesAt(".pckCrls.otherKey.der"), caId)),
            IIntelCollateral.IntelCollateral_Signature.selector
        );
    }

    function test_updatePckCrl_RevertWhen_ItIsNotNewer() external {
        collateral.updatePckCrl(bytesAt(".pckCrls.second.der"), caId);
        uint256 issuedAt = numberAt(".pckCrls.second.issuedAt");
        _refusePck(
            bytesAt(".pckCrls.second.der"),
            caId,
            abi.encodeWithSelector(
                IIntelCollateral.IntelCollateral_NotNewer.selector, issuedAt, issuedAt + 1
            )
        );
    }

    function test_updatePckCrl_RevertWhen_TheNumberFalls() external {
        collateral.updatePckCrl(bytesAt(".pckCrls.second.der"), caId);
        _refusePck(
            bytesAt(".pckCrls.lowerNumber.der"),
            caId,
            abi.encodeWithSelector(IIntelCollateral.IntelCollateral_CrlNumber.selector, 6, 7)
        );
    }

    function test_updatePckCrl_RevertWhen_ItIsOutOfItsTime() external {
        uint256 now_ = block.timestamp;
        _refusePck(
            bytesAt(".pckCrls.ended.der"),
            caId,
            abi.encodeWithSelector(
                IIntelCollateral.IntelCollateral_Expired.selector, now_ - 1, now_
            )
        );
        _refusePck(
            bytesAt(".pckCrls.future.der"),
            caId,
            abi.encodeWithSelector(
                IIntelCollateral.IntelCollateral_NotYetValid.selector, now_ + 1, now_
            )
        );
    }

    /// @dev A list is verified again after a revocation by the root, as old as it is; older it may not be.
    function test_updatePckCrl_TakesTheSameListAgainInANewEpoch() external {
        collateral.updatePckCrl(bytesAt(".pckCrls.second.der"), caId);
        collateral.updateRootCrl(bytesAt(".rootCrls.second.der"));
        vm.expectRevert(
            abi.encodeWithSelector(IIntelCollateral.IntelCollateral_Epoch.selector, 1, 2)
        );
        collateral.pckCollateral(caId);
        collateral.cacheAuthority(bytesAt(".ca.certificate"));
        vm.expectRevert(
            abi.encodeWithSelector(IIntelCollateral.IntelCollateral_Epoch.selector, 1, 2)
        );
        collateral.pckCollateral(caId);
        refuse(
            abi.encodeCall(collateral.updatePckCrl, (bytesAt(".pckCrls.first.der"), caId)),
            IIntelCollateral.IntelCollateral_CrlNumber.selector
        );
        collateral.updatePckCrl(bytesAt(".pckCrls.second.der"), caId);
        _assertKept(collateral.pckCrl(caId), ".pckCrls.second", 2);
        collateral.pckCollateral(caId);
    }

    function test_pckCollateral_RevertWhen_ItIsUnusable() external {
        vm.expectRevert(
            abi.encodeWithSelector(IIntelCollateral.IntelCollateral_Missing.selector, caId)
        );
        collateral.pckCollateral(caId);
        collateral.updatePckCrl(bytesAt(".pckCrls.first.der"), caId);
        vm.expectRevert(
            abi.encodeWithSelector(
                IIntelCollateral.IntelCollateral_AuthorityKind.selector, false, true
            )
        );
        collateral.pckCollateral(signerId);
        collateral.updateRootCrl(bytesAt(".rootCrls.outliving.der"));
        uint256 end = numberAt(".pckCrls.first.validUntil");
        vm.warp(end);
        collateral.pckCollateral(caId);
        vm.warp(end + 1);
        vm.expectRevert(
            abi.encodeWithSelector(IIntelCollateral.IntelCollateral_Expired.selector, end, end + 1)
        );
        collateral.pckCollateral(caId);
    }

    function testFuzz_updateRootCrl_RefusesAnyAlteredBit(uint256 any) external {
        bytes memory crl = rootList;
        _refuseAltered(
            abi.encodeCall(
                collateral.updateRootCrl, (flipped(crl, bound(any, 0, 8 * crl.length - 1)))
            )
        );
    }

    function testFuzz_updatePckCrl_RefusesAnyAlteredBit(uint256 any) external {
        bytes memory crl = pckList;
        crl = flipped(crl, bound(any, 0, 8 * crl.length - 1));
        _refuseAltered(abi.encodeCall(collateral.updatePckCrl, (crl, caId)));
    }

    function _refuseAltered(bytes memory call) private {
        (bool isDone, bytes memory reason) = address(collateral).call(call);
        assertTrue(!isDone, "accepted");
        assertTrue(reason.length >= 4, "with a reason");
        assertEq(collateral.rootCrl().epoch, 1, "and nothing changed");
        assertEq(collateral.pckCrl(caId).issuedAt, 0, "anywhere");
    }

    function _refuseRoot(bytes memory crl, bytes memory reason) private {
        refuse(abi.encodeCall(collateral.updateRootCrl, (crl)), reason);
    }

    function _refusePck(bytes memory crl, bytes32 by, bytes memory reason) private {
        refuse(abi.encodeCall(collateral.updatePckCrl, (crl, by)), reason);
    }

    function _assertKept(Collateral memory kept, string memory list, uint16 epoch) private view {
        bool isNone = bytes(list).length == 0;
        bytes16 digest = isNone ? bytes16(0) : halfAt(string.concat(list, ".digest"));
        assertEq(bytes32(kept.digest), bytes32(digest), "digest");
        assertEq(kept.number, isNone ? 0 : numberAt(string.concat(list, ".number")), "number");
        assertEq(kept.issuedAt, isNone ? 0 : numberAt(string.concat(list, ".issuedAt")), "begin");
        assertEq(kept.validUntil, isNone ? 0 : numberAt(string.concat(list, ".validUntil")), "end");
        assertEq(kept.epoch, epoch, "epoch");
    }
}
