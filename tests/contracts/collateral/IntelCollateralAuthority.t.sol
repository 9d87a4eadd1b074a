// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Authority, IIntelCollateral} from "contracts/interfaces/IIntelCollateral.sol";
import {Der} from "contracts/libraries/Der.sol";
import {CollateralFixture} from "../CollateralFixture.sol";

/// @notice Certificates of the root: PCK CAs and TCB signers.
contract IntelCollateralAuthorityTest is CollateralFixture {
    bytes private signer;

    function setUp() external {
        load();
        signer = bytesAt(".signer.certificate");
        deploy();
        collateral.updateRootCrl(bytesAt(".rootCrls.first.der"));
    }

    function test_cacheAuthority_KeepsAndTellsWhatTheCertificateSays() external {
        string[2] memory names = [".signer", ".ca"];
        for (uint256 i; i < 2; ++i) {
            bytes memory certificate = bytesAt(string.concat(names[i], ".certificate"));
            bytes32 id = wordAt(string.concat(names[i], ".id"));
            uint40 end = uint40(numberAt(string.concat(names[i], ".notAfter")));
            assertEq(collateral.authority(id).validUntil, 0, "not yet");
            vm.expectEmit();
            emit IIntelCollateral.AuthorityCached({
                authorityId: id, isCa: i == 1, validUntil: end, epoch: 1, certificate: certificate
            });
            vm.prank(address(0xbad));
            assertEq(collateral.cacheAuthority(certificate), id, "id");
            Authority memory kept = collateral.authority(id);
            assertEq(kept.x, wordAt(string.concat(names[i], ".x")), "x");
            assertEq(kept.y, wordAt(string.concat(names[i], ".y")), "y");
            bytes32 nameHash = wordAt(string.concat(names[i], ".nameHash"));
            assertEq(bytes32(kept.name), bytes32(bytes16(nameHash)), "name");
            assertEq(kept.validUntil, end, "end");
            assertEq(kept.epoch, 1, "epoch");
            assertTrue(kept.isCa == (i == 1), "kind");
        }
    }

    function test_cacheAuthority_EndsNoLaterThanTheRoot() external {
        bytes32 id = collateral.cacheAuthority(bytesAt(".accepted.outlivingCa.certificate"));
        assertEq(collateral.authority(id).validUntil, numberAt(".root.notAfter"), "the root's");
    }

    function test_cacheAuthority_TakesBothEndsOfTheTime() external {
        collateral.cacheAuthority(bytesAt(".accepted.endingSigner.certificate"));
        collateral.cacheAuthority(bytesAt(".accepted.beginningSigner.certificate"));
    }

    function test_cacheAuthority_AgainIsHarmless() external {
        bytes32 first = collateral.cacheAuthority(bytesAt(".ca.certificate"));
        bytes memory kept = abi.encode(collateral.authority(first));
        vm.prank(address(0xbad));
        assertEq(collateral.cacheAuthority(bytesAt(".ca.certificate")), first, "id");
        assertEq(abi.encode(collateral.authority(first)), kept, "nothing changed");
    }

    function test_cacheAuthority_RevertWhen_TheRootsCrlIsMissing() external {
        deploy();
        _refuse(
            bytesAt(".signer.certificate"),
            abi.encodeWithSelector(
                IIntelCollateral.IntelCollateral_Missing.selector, wordAt(".root.nameHash")
            )
        );
    }

    function test_cacheAuthority_RevertWhen_TheRootsCrlHasEnded() external {
        uint256 end = numberAt(".rootCrls.first.validUntil");
        vm.warp(end + 1);
        _refuse(
            bytesAt(".signer.certificate"),
            abi.encodeWithSelector(IIntelCollateral.IntelCollateral_Expired.selector, end, end + 1)
        );
    }

    function test_cacheAuthority_RevertWhen_ItIsTooLong() external {
        _refuse(
            new bytes(4097),
            abi.encodeWithSelector(IIntelCollateral.IntelCollateral_TooLong.selector, 4097, 4096)
        );
    }

    function test_cacheAuthority_RevertWhen_AnotherIssuedIt() external {
        _refuse(
            bytesAt(".refused.leaf"),
            abi.encodeWithSelector(
                IIntelCollateral.IntelCollateral_Issuer.selector,
                wordAt(".ca.nameHash"),
                wordAt(".root.nameHash")
            )
        );
        _refuse(".refused.otherIssuer", IIntelCollateral.IntelCollateral_Issuer.selector);
    }

    function test_cacheAuthority_RevertWhen_AnotherSignedIt() external {
        bytes4 selector = IIntelCollateral.IntelCollateral_Signature.selector;
        _refuse(".refused.otherKey", selector);
        _refuse(".foreign.ca", selector);
        _refuse(".foreign.signer", selector);
    }

    function test_cacheAuthority_RevertWhen_TheRootRevokedIt() external {
        collateral.updateRootCrl(bytesAt(".rootCrls.revoking.der"));
        _refuse(
            bytesAt(".signer.certificate"),
            abi.encodeWithSelector(
                IIntelCollateral.IntelCollateral_Revoked.selector, serialAt(".signer.serial")
            )
        );
        collateral.cacheAuthority(bytesAt(".ca.certificate"));
        // For good: a later list does not name it any more.
        collateral.updateRootCrl(bytesAt(".rootCrls.forgetting.der"));
        _refuse(".signer.certificate", IIntelCollateral.IntelCollateral_Revoked.selector);
    }

    function test_cacheAuthority_RevertWhen_ACaIsNotTheProfiles() external {
        _refuse(
            bytesAt(".refused.pathLength1"),
            abi.encodeWithSelector(IIntelCollateral.IntelCollateral_PathLength.selector, 1, 0)
        );
        _refuse(
            bytesAt(".refused.noPathLength"),
            abi.encodeWithSelector(IIntelCollateral.IntelCollateral_PathLength.selector, 255, 0)
        );
        _refuse(".refused.root", IIntelCollateral.IntelCollateral_PathLength.selector);
        bytes4 usage = IIntelCollateral.IntelCollateral_KeyUsage.selector;
        // contentCommitment is set to keep the usage from being empty; of a CA 0x06 is wanted.
        _refuse(bytesAt(".refused.noCrlSign"), abi.encodeWithSelector(usage, 0x44, 0x06, 0));
        _refuse(bytesAt(".refused.noCertSign"), abi.encodeWithSelector(usage, 0xc0, 0x06, 0));
        _refuse(bytesAt(".refused.noKeyUsage"), abi.encodeWithSelector(usage, 0, 0x06, 0));
        // A CA that says that it is none has not the signer's name.
        _refuse(
            bytesAt(".refused.notCa"),
            abi.encodeWithSelector(
                IIntelCollateral.IntelCollateral_Issuer.selector,
                wordAt(".ca.nameHash"),
                wordAt(".signer.nameHash")
            )
        );
    }

    function test_cacheAuthority_RevertWhen_ASignerIsNotTheProfiles() external {
        bytes4 usage = IIntelCollateral.IntelCollateral_KeyUsage.selector;
        _refuse(bytesAt(".refused.certSigner"), abi.encodeWithSelector(usage, 0xc4, 0x80, 0x06));
        _refuse(bytesAt(".refused.noSigner"), abi.encodeWithSelector(usage, 0x40, 0x80, 0x06));
        _refuse(bytesAt(".refused.caSigner"), abi.encodeWithSelector(usage, 0xc0, 0x06, 0));
        _refuse(".refused.otherSubject", IIntelCollateral.IntelCollateral_Issuer.selector);
    }

    function test_cacheAuthority_RevertWhen_ItIsOutOfItsTime() external {
        uint256 now_ = block.timestamp;
        bytes memory ended = abi.encodeWithSelector(
            IIntelCollateral.IntelCollateral_Expired.selector, now_ - 1, now_
        );
        _refuse(bytesAt(".refused.endedCa"), ended);
        _refuse(bytesAt(".refused.endedSigner"), ended);
        _refuse(
            bytesAt(".refused.laterSigner"),
            abi.encodeWithSelector(
                IIntelCollateral.IntelCollateral_NotYetValid.selector, now_ + 1, now_
            )
        );
    }

    function test_cacheAuthority_RevertWhen_BytesFollow() external {
        refuse(
            abi.encodeCall(
                collateral.cacheAuthority, (bytes.concat(bytesAt(".ca.certificate"), hex"00"))
            ),
            Der.Der_TrailingBytes.selector
        );
    }

    function testFuzz_cacheAuthority_RefusesAnyAlteredBit(uint256 any) external {
        bytes memory certificate = signer;
        certificate = flipped(certificate, bound(any, 0, 8 * certificate.length - 1));
        (bool isDone, bytes memory reason) =
            address(collateral).call(abi.encodeCall(collateral.cacheAuthority, (certificate)));
        assertTrue(!isDone, "accepted");
        assertTrue(reason.length >= 4, "with a reason");
        assertEq(collateral.authority(signerId).validUntil, 0, "and nothing kept");
    }

    function _refuse(bytes memory certificate, bytes memory reason) private {
        refuse(abi.encodeCall(collateral.cacheAuthority, (certificate)), reason);
    }

    function _refuse(string memory name, bytes4 selector) private {
        refuse(abi.encodeCall(collateral.cacheAuthority, (bytesAt(name))), selector);
    }
}
