// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDcapVerifier} from "../interfaces/IDcapVerifier.sol";
import {TcbStatus} from "../types/TcbStatus.sol";
import {TeeKind} from "../types/Tee.sol";
import {DcapHints} from "./DcapHints.sol";
import {TcbGrade, TcbProof} from "./TcbProof.sol";

/// @notice What the vendor's collateral says of a quote's quoting enclave and platform, so far.
struct Appraisal {
    /// @dev One of `TcbStatus`, merged.
    uint8 status;
    /// @dev The lists of open advisories, joined by commas.
    bytes advisories;
}

/// @notice Appraisal of a quote by Intel's collateral: which level its quoting enclave, its
///         platform and its TDX module meet.
/// @dev Every table that is used is committed to in the collateral; nothing of it is used before
///      that is shown. Reference: Intel PCS API v4, "TCB info" and "Enclave identity"; Intel SGX
///      and TDX quote verification library, `TcbLevelCheck`.
library DcapTcb {
    /// @dev Of a QE report.
    uint256 private constant MISCSELECT = 16;
    uint256 private constant ATTRIBUTES = 48;
    uint256 private constant MRSIGNER = 128;
    uint256 private constant PRODUCT = 256;
    uint256 private constant SVN = 258;
    /// @dev Of a machine; see `DcapHints`.
    uint256 private constant PCE_ID = 118;
    uint256 private constant PCE_SVN = 120;
    uint256 private constant COMPONENTS = 122;
    /// @dev Of a TD report body.
    uint256 private constant SEAM_SIGNER = 64;
    uint256 private constant SEAM_ATTRIBUTES = 112;
    uint256 private constant TD10_BODY = 584;
    /// @dev The components that the TDX module has, which has levels of its own since TDX 1.5.
    bytes32 private constant MODULE_COMPONENTS = bytes32(uint256(0xffff) << 112);

    /// @notice The quoting enclave is the vendor's, and which of its levels it meets.
    /// @param report Of the quoting enclave, 384 bytes.
    /// @param hints All of them.
    /// @param committed Digest of the QE identity.
    /// @param rest The items that are left.
    /// @return The items behind those that were used.
    function quotingEnclave(
        Appraisal memory appraisal,
        bytes calldata report,
        bytes calldata hints,
        bytes16 committed,
        bytes calldata rest
    ) internal pure returns (bytes calldata) {
        bytes calldata identity = DcapHints.identity(hints);
        bytes calldata proof;
        (proof, rest) = DcapHints.take(rest);
        (TcbGrade memory grade, bytes32 root) = TcbProof.svn(proof, _littleEndian(report, SVN));
        TcbProof.requireQeIdentity(committed, identity, root);
        _requireIdentity(report, identity);
        appraisal.status = grade.status;
        return _advisories(appraisal, grade.advisories, rest);
    }

    /// @notice Which levels platform and TDX module meet.
    /// @param body Report body of the quote.
    /// @param machine See `DcapHints`.
    /// @param committed Digest of the TCB info.
    /// @param rest The items that are left.
    /// @return The items behind those that were used.
    function platform(
        Appraisal memory appraisal,
        bytes calldata body,
        uint8 tee,
        bytes calldata machine,
        bytes16 committed,
        bytes calldata rest
    ) internal pure returns (bytes calldata) {
        if (tee == TeeKind.SGX) {
            (uint8 status, bytes32 root, bytes calldata left) = _level(appraisal, machine, 0, rest);
            TcbProof.requireTcbInfo(committed, _pceId(machine), 0, root);
            appraisal.status = TcbStatus.merge(appraisal.status, status);
            return left;
        }
        bytes16 svns = bytes16(body[:16]);
        uint8 launch;
        bytes calldata head;
        (launch, head, rest) = _trustDomain(appraisal, svns, machine, committed, rest);
        _requireModule(body, head);
        bytes16 presentSvns = svns;
        if (body.length > TD10_BODY) presentSvns = bytes16(body[TD10_BODY:TD10_BODY + 16]);
        if (presentSvns == svns) {
            appraisal.status = launch;
            return rest;
        }
        uint8 present;
        (present,, rest) = _trustDomain(appraisal, presentSvns, machine, committed, rest);
        appraisal.status = TcbStatus.ofRelaunch(launch, present);
        return rest;
    }

    /// @dev Status of quoting enclave, platform and module for one TEE_TCB_SVN: version and major
    ///      version of the module, then the other components.
    /// @return status Merged; the appraisal's stays.
    /// @return head Of the module.
    function _trustDomain(
        Appraisal memory appraisal,
        bytes16 svns,
        bytes calldata machine,
        bytes16 committed,
        bytes calldata rest
    ) private pure returns (uint8 status, bytes calldata head, bytes calldata) {
        bytes32 levelsRoot;
        (status, levelsRoot, rest) = _level(appraisal, machine, svns, rest);
        bytes calldata proof;
        (proof, rest) = DcapHints.take(rest);
        TcbGrade memory grade;
        bytes32 modulesRoot;
        (head, grade, modulesRoot) = TcbProof.module(proof, uint8(svns[1]), uint8(svns[0]));
        TcbProof.requireTcbInfo(committed, _pceId(machine), modulesRoot, levelsRoot);
        status = TcbStatus.merge(appraisal.status, status);
        // `tdxModule`, before TDX 1.5, has no levels of its own.
        if (svns[1] != 0) status = TcbStatus.merge(status, grade.status);
        return (status, head, _advisories(appraisal, grade.advisories, rest));
    }

    /// @dev The platform's level. Its root is not compared yet: the caller does.
    function _level(
        Appraisal memory appraisal,
        bytes calldata machine,
        bytes16 svns,
        bytes calldata rest
    ) private pure returns (uint8, bytes32, bytes calldata) {
        bytes32 components =
            bytes32(bytes16(machine[COMPONENTS:])) | bytes32(svns) >> 128;
        if (uint8(svns[1]) > 0) components |= MODULE_COMPONENTS;
        bytes calldata proof;
        (proof, rest) = DcapHints.take(rest);
        (TcbGrade memory grade, bytes32 root) =
            TcbProof.platform(proof, components, uint16(bytes2(machine[PCE_SVN:COMPONENTS])));
        return (grade.status, root, _advisories(appraisal, grade.advisories, rest));
    }

    /// @dev Take the item that spells out a level's advisories.
    /// @param hash keccak256 of it; 0 when there are none.
    function _advisories(Appraisal memory appraisal, bytes32 hash, bytes calldata rest)
        private
        pure
        returns (bytes calldata)
    {
        bytes calldata text;
        (text, rest) = DcapHints.take(rest);
        bytes32 seen = text.length == 0 ? bytes32(0) : keccak256(text);
        require(seen == hash, IDcapVerifier.DcapVerifier_Advisories(seen, hash));
        if (text.length > 0) {
            bytes memory before = appraisal.advisories;
            appraisal.advisories =
                before.length == 0 ? bytes(text) : bytes.concat(before, ",", text);
        }
        return rest;
    }

    /// @param identity See `ParsedQeIdentity`.
    function _requireIdentity(bytes calldata report, bytes calldata identity) private pure {
        bytes4 select = bytes4(report[MISCSELECT:MISCSELECT + 4]) & bytes4(identity[4:8]);
        bytes4 wantedSelect = bytes4(identity[:4]);
        require(
            select == wantedSelect, IDcapVerifier.DcapVerifier_QeMiscSelect(select, wantedSelect)
        );
        bytes16 attributes = bytes16(report[ATTRIBUTES:ATTRIBUTES + 16]) & bytes16(identity[24:40]);
        bytes16 wantedAttributes = bytes16(identity[8:24]);
        require(
            attributes == wantedAttributes,
            IDcapVerifier.DcapVerifier_QeAttributes(attributes, wantedAttributes)
        );
        bytes32 signer = bytes32(report[MRSIGNER:MRSIGNER + 32]);
        bytes32 wantedSigner = bytes32(identity[40:72]);
        require(signer == wantedSigner, IDcapVerifier.DcapVerifier_QeSigner(signer, wantedSigner));
        uint16 product = _littleEndian(report, PRODUCT);
        uint16 wantedProduct = uint16(bytes2(identity[72:74]));
        require(
            product == wantedProduct, IDcapVerifier.DcapVerifier_QeProduct(product, wantedProduct)
        );
    }

    /// @dev The module that the trust domain was launched with: reports name no other's signer.
    /// @param head Of a module: `uint8 id | MRSIGNER (48) | attributes (8) | mask (8)`.
    function _requireModule(bytes calldata body, bytes calldata head) private pure {
        bytes32 seen = keccak256(body[SEAM_SIGNER:SEAM_ATTRIBUTES]);
        bytes32 wanted = keccak256(head[1:49]);
        require(seen == wanted, IDcapVerifier.DcapVerifier_ModuleSigner(seen, wanted));
        bytes8 attributes = bytes8(body[SEAM_ATTRIBUTES:SEAM_ATTRIBUTES + 8]) & bytes8(head[57:65]);
        require(
            attributes == bytes8(head[49:57]),
            IDcapVerifier.DcapVerifier_ModuleAttributes(attributes, bytes8(head[49:57]))
        );
    }

    function _pceId(bytes calldata machine) private pure returns (bytes2) {
        return bytes2(machine[PCE_ID:PCE_SVN]);
    }

    function _littleEndian(bytes calldata data, uint256 offset) private pure returns (uint16) {
        return uint16(uint8(data[offset])) | (uint16(uint8(data[offset + 1])) << 8);
    }
}
