#!/bin/sh
# Turns a Debian base image into something that boots like a virtual machine.
set -eu
export DEBIAN_FRONTEND=noninteractive

# Published base images keep services from starting and apt from caching; a virtual machine does neither.
rm -f /usr/sbin/policy-rc.d /etc/apt/apt.conf.d/docker-*

! command -v update-ca-certificates >/dev/null || update-ca-certificates # for mirrors behind https
apt-get update -q
apt-get install -q -y --no-install-recommends \
  systemd systemd-sysv dbus openssh-server sudo iproute2 iputils-ping procps ca-certificates
update-ca-certificates
apt-get clean
rm -rf /var/lib/apt/lists/* /var/log/* /tmp/*.deb /var/cache/ldconfig/aux-cache

useradd --create-home --shell /bin/bash --groups sudo vagrant
echo vagrant:vagrant | chpasswd
cat >/etc/ssh/sshd_config.d/lab.conf <<X
PasswordAuthentication yes
PermitRootLogin no
UseDNS no
X

# Identity is made at the first boot: hosts that share a machine-id or host keys are taken for one and the same.
rm -f /etc/ssh/ssh_host_* /var/lib/dbus/machine-id
: >/etc/machine-id
mkdir -p /etc/systemd/system/multi-user.target.wants
for unit in lab-host-keys lab-routes; do
  cp "/tmp/image/$unit.service" /etc/systemd/system/
  ln -sf "../$unit.service" /etc/systemd/system/multi-user.target.wants/
done
ln -sf /lib/systemd/system/multi-user.target /etc/systemd/system/default.target

# A container has no devices, kernel modules, consoles or logins to look after, and background apt runs would make
# measurements differ from run to run.
for unit in systemd-udevd.service systemd-udevd-kernel.socket systemd-udevd-control.socket systemd-udev-trigger.service \
  systemd-modules-load.service sys-kernel-config.mount sys-kernel-debug.mount sys-kernel-tracing.mount \
  dev-hugepages.mount dev-mqueue.mount systemd-firstboot.service getty.target console-getty.service \
  systemd-logind.service apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer fstrim.timer e2scrub_all.timer; do
  ln -sf /dev/null "/etc/systemd/system/$unit"
done
