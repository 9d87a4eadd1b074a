// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Claims} from "../interfaces/IAttestationVerifier.sol";
import {IDcapVerifier} from "../interfaces/IDcapVerifier.sol";
import {TcbStatus} from "../types/TcbStatus.sol";
import {TeeKind} from "../types/Tee.sol";
import {CallData} from "./CallData.sol";
import {DcapHints} from "./DcapHints.sol";
import {TcbProof} from "./TcbProof.sol";

/// @notice Appraisal of a quote by Intel's collateral: which level its quoting enclave, its
///         platform and its TDX module meet.
/// @dev Every table that is used is committed to in the collateral; before that is shown, nothing
///      of it does more than refuse. Reference: Intel PCS API v4, "TCB info" and "Enclave identity"; Intel SGX
///      and TDX quote verification library, `TcbLevelCheck`.
library DcapTcb {
    /// @dev Of a QE report.
    uint256 private constant MISCSELECT = 16;
    uint256 private constant ATTRIBUTES = 48;
    uint256 private constant MRSIGNER = 128;
    uint256 private constant PRODUCT = 256;
    uint256 private constant SVN = 258;
    /// @dev Of a TD report body.
    uint256 private constant SEAM_SIGNER = 64;
    uint256 private constant SEAM_ATTRIBUTES = 112;
    uint256 private constant TD10_BODY = 584;
    /// @dev The components that the TDX module has, which has levels of its own since TDX 1.5.
    bytes32 private constant MODULE_COMPONENTS = bytes32(uint256(0xffff) << 112);

    /// @notice The quoting enclave is the vendor's, and which of its levels it meets.
    /// @param claims Whose `tcbStatus` and `advisories` are made.
    /// @param report Of the quoting enclave, 384 bytes.
    /// @param hints All of them.
    /// @param committed Digest of the QE identity.
    /// @param rest The items that are left.
    /// @return The items behind those that were used.
    function quotingEnclave(
        Claims memory claims,
        bytes calldata report,
        bytes calldata hints,
        bytes16 committed,
        bytes calldata rest
    ) internal pure returns (bytes calldata) {
        uint8 status;
        bytes32 advisories;
        bytes32 root;
        (status, advisories, root, rest) = _qeLevel(_littleEndian(report, SVN), rest);
        bytes calldata identity = DcapHints.identity(hints);
        TcbProof.requireQeIdentity(committed, identity, root);
        _requireIdentity(report, identity);
        claims.tcbStatus = status;
        return _advisories(claims, advisories, rest);
    }

    /// @notice Which levels platform and TDX module meet.
    /// @param claims Whose `tcbStatus` and `advisories` are added to.
    /// @param body Report body of the quote.
    /// @param hints All of them.
    /// @param committed Digest of the TCB info.
    /// @param rest The items that are left.
    /// @return The items behind those that were used.
    function platform(
        Claims memory claims,
        bytes calldata body,
        uint8 tee,
        bytes calldata hints,
        bytes16 committed,
        bytes calldata rest
    ) internal pure returns (bytes calldata) {
        if (tee == TeeKind.SGX) {
            (uint8 status, bytes32 root, bytes calldata left) = _level(claims, hints, 0, rest);
            TcbProof.requireTcbInfo(committed, _pceId(hints), 0, root);
            claims.tcbStatus = TcbStatus.merge(claims.tcbStatus, status);
            return left;
        }
        bytes16 svns = CallData.b16(body, 0);
        uint8 launch;
        (launch, rest) = _trustDomain(claims, body, svns, hints, committed, rest);
        bytes16 presentSvns = svns;
        if (body.length > TD10_BODY) presentSvns = CallData.b16(body, TD10_BODY);
        if (presentSvns == svns) {
            claims.tcbStatus = launch;
            return rest;
        }
        uint8 present;
        (present, rest) = _trustDomain(claims, body, presentSvns, hints, committed, rest);
        claims.tcbStatus = TcbStatus.ofRelaunch(launch, present);
        return rest;
    }

    /// @dev Status of quoting enclave, platform and module for one TEE_TCB_SVN: version and major
    ///      version of the module, then the other components.
    /// @return status Merged; the claims' stays.
    function _trustDomain(
        Claims memory claims,
        bytes calldata body,
        bytes16 svns,
        bytes calldata hints,
        bytes16 committed,
        bytes calldata rest
    ) private pure returns (uint8 status, bytes calldata left) {
        bytes32 levelsRoot;
        (status, levelsRoot, left) = _level(claims, hints, svns, rest);
        uint8 ofModule;
        bytes32 modulesRoot;
        (ofModule, modulesRoot, left) = _module(claims, body, svns, left);
        TcbProof.requireTcbInfo(committed, _pceId(hints), modulesRoot, levelsRoot);
        status = TcbStatus.merge(claims.tcbStatus, status);
        // `tdxModule`, before TDX 1.5, has no levels of its own.
        if (svns[1] != 0) status = TcbStatus.merge(status, ofModule);
    }

    /// @dev The level of a quoting enclave. Its root is not compared yet: the caller does.
    function _qeLevel(uint16 svn, bytes calldata rest)
        private
        pure
        returns (uint8 status, bytes32 advisories, bytes32 root, bytes calldata left)
    {
        bytes calldata proof;
        (proof, left) = DcapHints.take(rest);
        (status, advisories, root) = TcbProof.svn(proof, svn);
    }

    /// @dev The TDX module's level. Its root is not compared yet: the caller does.
    function _module(Claims memory claims, bytes calldata body, bytes16 svns, bytes calldata rest)
        private
        pure
        returns (uint8 status, bytes32 root, bytes calldata left)
    {
        bytes calldata proof;
        (proof, left) = DcapHints.take(rest);
        bytes calldata head;
        bytes32 advisories;
        (head, status, advisories, root) = TcbProof.module(proof, uint8(svns[1]), uint8(svns[0]));
        _requireModule(body, head);
        left = _advisories(claims, advisories, left);
    }

    /// @dev The platform's level. Its root is not compared yet: the caller does.
    function _level(Claims memory claims, bytes calldata hints, bytes16 svns, bytes calldata rest)
        private
        pure
        returns (uint8 status, bytes32 root, bytes calldata left)
    {
        bytes32 components = bytes32(DcapHints.components(hints)) | bytes32(svns) >> 128;
        if (svns[1] != 0) components |= MODULE_COMPONENTS;
        (, uint16 pceSvn) = DcapHints.pce(hints);
        bytes calldata proof;
        (proof, left) = DcapHints.take(rest);
        bytes32 advisories;
        (status, advisories, root) = TcbProof.platform(proof, components, pceSvn);
        left = _advisories(claims, advisories, left);
    }

    /// @dev Take the item that spells out a level's advisories.
    /// @param hash keccak256 of it; 0 when there are none.
    function _advisories(Claims memory claims, bytes32 hash, bytes calldata rest)
        private
        pure
        returns (bytes calldata)
    {
        bytes calldata text;
        (text, rest) = DcapHints.take(rest);
        bytes32 seen = text.length == 0 ? bytes32(0) : CallData.keccak(text);
        require(seen == hash, IDcapVerifier.DcapVerifier_Advisories(seen, hash));
        if (text.length > 0) {
            bytes memory before = claims.advisories;
            claims.advisories = before.length == 0 ? bytes(text) : bytes.concat(before, ",", text);
        }
        return rest;
    }

    /// @param identity See `ParsedQeIdentity`.
    function _requireIdentity(bytes calldata report, bytes calldata identity) private pure {
        bytes4 select = CallData.b4(report, MISCSELECT) & CallData.b4(identity, 4);
        bytes4 wantedSelect = CallData.b4(identity, 0);
        require(
            select == wantedSelect, IDcapVerifier.DcapVerifier_QeMiscSelect(select, wantedSelect)
        );
        bytes16 attributes = CallData.b16(report, ATTRIBUTES) & CallData.b16(identity, 24);
        bytes16 wantedAttributes = CallData.b16(identity, 8);
        require(
            attributes == wantedAttributes,
            IDcapVerifier.DcapVerifier_QeAttributes(attributes, wantedAttributes)
        );
        bytes32 signer = CallData.word(report, MRSIGNER);
        bytes32 wantedSigner = CallData.word(identity, 40);
        require(signer == wantedSigner, IDcapVerifier.DcapVerifier_QeSigner(signer, wantedSigner));
        uint16 product = _littleEndian(report, PRODUCT);
        uint16 wantedProduct = CallData.u16(identity, 72);
        require(
            product == wantedProduct, IDcapVerifier.DcapVerifier_QeProduct(product, wantedProduct)
        );
    }

    /// @dev A report has one signer and one set of attributes, whichever of two modules it names.
    /// @param head Of a module: `uint8 id | MRSIGNER (48) | attributes (8) | mask (8)`.
    function _requireModule(bytes calldata body, bytes calldata head) private pure {
        bytes32 seen = CallData.keccak(CallData.part(body, SEAM_SIGNER, 48));
        bytes32 wanted = CallData.keccak(CallData.part(head, 1, 48));
        require(seen == wanted, IDcapVerifier.DcapVerifier_ModuleSigner(seen, wanted));
        bytes8 attributes = CallData.b8(body, SEAM_ATTRIBUTES) & CallData.b8(head, 57);
        bytes8 wantedAttributes = CallData.b8(head, 49);
        require(
            attributes == wantedAttributes,
            IDcapVerifier.DcapVerifier_ModuleAttributes(attributes, wantedAttributes)
        );
    }

    function _pceId(bytes calldata hints) private pure returns (bytes2 id) {
        (id,) = DcapHints.pce(hints);
    }

    function _littleEndian(bytes calldata data, uint256 offset) private pure returns (uint16) {
        unchecked {
            return CallData.u8(data, offset) | (uint16(CallData.u8(data, offset + 1)) << 8);
        }
    }
}
