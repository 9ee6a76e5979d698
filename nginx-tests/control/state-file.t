# session_sticky_control on state=FILE: states survive a restart. The file is written completely or not at all; a damaged file is
# logged and ignored.
#
# The file is "state" in $folder, which workers can write; A, B and C respond with their name.
# Sections of this file:
#   file    the contents of the state file before nginx starts
#   pipe    the state file is a pipe

# Server states survive a reload, so each block needs a new nginx, even in mode hup.
BEGIN { delete $ENV{TEST_NGINX_USE_HUP} }

use Sticky qw(Upstreams Visits Running Control);
use Fcntl ':mode';
use File::Temp;
use POSIX ();

our $folder = File::Temp->newdir;
chmod 0777, $folder;

sub state_file {
    open my $file, '<', "$folder/state" or return 'none';
    local $/;
    return readline $file;
}

sub entries { return join "\n", sort grep { !/^session_sticky_control 1$|^end \d+$/ } split /\n/, state_file() }
sub others { return join ' ', map { s{.*/}{}r } grep { !m{/state\z} } glob "$folder/*" }

client_sections();
upstream_sections('');
add_block_preprocessor(sub {
    my ($block) = @_;
    unlink glob "$folder/*";
    if (defined $block->file) {
        open my $file, '>', "$folder/state" or die "cannot write: $!\n";
        print $file $block->file =~ s/\\n\z//r;
        close $file or die "cannot write: $!\n";
    }
    POSIX::mkfifo("$folder/state", 0600) or die "cannot make a pipe: $!\n" if defined $block->pipe;
    $block->set_value(upstreams => "upstream u { server A:; server B:; server C:; session_sticky; }\n")
        if !defined $block->upstreams;
    my $state = $block->state // "state=$folder/state";
    $block->set_value(locations => ($control =~ s/control on/control on $state/r) . ($block->locations // ''));
    $block->set_value(workers => 2);
});

no_shuffle();
master_on();
run_tests();

__DATA__

=== states survive a restart, and so do their end times
--- client
now('u', 'A', 'drain');
equals(status(patch('u', 'B', '{"state":"down","for":"1h"}')), '200', 'B is down for an hour');
my $until = shown('u', 'B')->{control}{until};
equals(entries(), "down $until u 127.0.0.1:1986\ndrain 0 u 127.0.0.1:1985", 'the file');
holds(state_file() =~ /\Asession_sticky_control 1\n(?:.*\n){2}end 2\n\z/, 'is complete') or print state_file();
equals(sprintf('%o', (stat "$folder/state")[2] & 0777), '644', 'its mode');
equals(others(), '', 'there is no other file');
holds(restart(), 'nginx is restarted');
equals(bodies(everywhere('/u/', "route=$id{A}")), 'A', 'the sessions of A stay');
equals(bodies(everywhere('/u/')), 'C', 'new sessions go to C');
equals(shown('u', 'B')->{control}{until}, $until, 'B keeps its end time');
now('u', $_, 'up') for qw(A B);
equals(state_file(), "session_sticky_control 1\nend 0\n", 'no state is set');
holds(restart(), 'nginx is restarted');
holds(bodies(everywhere('/u/')) =~ /A | B/, 'A and B are up');



=== a state that expired while nginx did not run has ended
--- file
session_sticky_control 1
down 1600000000 u 127.0.0.1:1985
drain 1600000000 u 127.0.0.1:1986
end 2
--- client
equals(bodies(everywhere('/u/', "route=$id{A}")), 'A', 'A is up again');
holds(bodies(everywhere('/u/', "route=$id{B}")) !~ /B/, 'B is down now');
eventually(sub { entries() eq 'down 0 u 127.0.0.1:1986' }, 'the file has the new state') or print state_file();



=== a reload does not read the file: the states in memory are newer
--- client
now('u', 'A', 'drain');
open my $file, '>', "$folder/state" or die;
print $file "session_sticky_control 1\nend 0\n";
close $file;
holds(reload(), 'nginx is reloaded');
equals(shown('u', 'A')->{state}, 'draining', 'A drains');
now('u', 'B', 'drain');
equals(entries(), "drain 0 u 127.0.0.1:1985\ndrain 0 u 127.0.0.1:1986", 'both are written');



=== a reload with another file: the states in memory are written to it by the next request
--- client
now('u', 'A', 'drain');
my $before = state_file();
configure(qr/state=\S+;/, "state=$folder/other;");
holds(reload(), 'nginx is reloaded');
visit('/u/', undef, 1983);
rename "$folder/other", "$folder/state" or print "no other file\n";
equals(state_file(), $before, 'the other file');
equals(others(), '', 'there is no other file');



=== many parallel changes: the file has the last states, and no other file is left
--- client
my @asked;
for my $round (1 .. 30) {
    for my $server (qw(A B C)) {
        my $word = $round == 30 ? 'up' : (qw(up drain down))[$round % 3];
        my $body = qq[{"state":"$word"}];
        push @asked, say_to_nginx("PATCH /status/upstreams/u/servers/$line{$server} HTTP/1.1\r\nHost: localhost\r\n"
            . "Content-Type: application/json\r\nContent-Length: " . length($body) . "\r\nConnection: close\r\n\r\n$body", 1983);
    }
    holds(!grep({ status($_) ne '200' } map { response($_) } splice @asked), "round $round");
}
equals(state_file(), "session_sticky_control 1\nend 0\n", 'the last state');
equals(others(), '', 'there is no other file');



=== removed servers remain in the file with the others: names with arbitrary characters
--- file
session_sticky_control 1
drain 0 gone%20with%0athe%20wind unix:/tmp/%25%ff
end 1
--- client
now('u', 'A', 'down');
equals(entries(), "down 0 u 127.0.0.1:1985\ndrain 0 gone%20with%0athe%20wind unix:/tmp/%25%ff", 'both');



=== a truncated file is completely ignored, and logged
--- file
session_sticky_control 1
down 0 u 127.0.0.1:1985
--- client
equals(bodies(everywhere('/u/', "route=$id{A}")), 'A', 'A is up');
now('u', 'B', 'drain');
equals(entries(), 'drain 0 u 127.0.0.1:1986', 'the next change writes a new file');
--- error_log eval
qr/\[error\] .*session_sticky: "[^"]*\/state" is ignored, server states are not restored: line 3 is damaged/



=== the same for a file with an invalid line
--- file
session_sticky_control 1
down 0 u 127.0.0.1:1985
gone 0 u 127.0.0.1:1986
end 2
--- client
equals(bodies(everywhere('/u/', "route=$id{A}")), 'A', 'A is up');
--- error_log
line 3 is damaged



=== the same for a file of another version, or another format
--- file
root:x:0:0:root:/root:/bin/sh
--- client
equals(bodies(everywhere('/u/')), 'A | B | C', 'all are up');
--- error_log
line 1 is damaged



=== a pipe, which does not block nginx
--- pipe
--- client
now('u', 'A', 'drain');
holds(-f "$folder/state", 'the next change writes a file');
--- error_log eval
qr/\[error\] .*session_sticky: "[^"]*\/state" is ignored, server states are not restored: it is not a regular file/



=== a folder as the file
--- state eval
"state=$::folder"
--- client
my $response = patch('u', 'A', '{"state":"drain"}');
equals(status($response), '500', 'it cannot be written');
holds(body($response) =~ /in effect until nginx stops, but could not be saved/, 'as is said');
equals(shown('u', 'A')->{state}, 'draining', 'but the change is in force');
--- error_log eval
[qr/\[error\] .*is ignored/, qr/\[error\] .*could not be written/]



=== a folder that workers cannot write: a change is in force, and the response reports that it could not be saved
--- state
state=/proc/1/state
--- client
my $response = patch('u', 'A', '{"state":"drain"}');
equals(status($response), '500', 'it cannot be written');
equals(bodies(everywhere('/u/', "route=$id{A}")), 'A', 'the sessions of A stay');
holds(bodies(everywhere('/u/')) !~ /A/, 'new sessions go to other servers');
--- error_log eval
qr/\[error\] .*session_sticky: "\/proc\/1\/state" could not be written/
--- no_error_log
[alert]
[crit]



=== a change that could not be saved is saved when it is repeated
--- client
mkdir "$folder/state" or die;
my $drain = sub { return status(patch('u', 'A', '{"state":"drain"}')) };
equals($drain->(), '500', 'it cannot be saved');
equals($drain->(), '500', 'it still cannot');
rmdir "$folder/state" or die;
equals($drain->(), '200', 'it can be saved');
equals(entries(), 'drain 0 u 127.0.0.1:1985', 'and is saved');
my $at = (stat "$folder/state")[1];
equals($drain->(), '200', 'once more');
equals((stat "$folder/state")[1], $at, 'the file already has it');
unlink "$folder/state";
equals(status(patch('u', 'B', '{"state":"up"}')), '200', 'no state is set');
equals(state_file(), 'none', 'and there is nothing to save');
--- error_log
could not be written



=== nginx -t warns of a folder that the workers' user cannot write, and of a missing one
--- client
# Without root, nginx cannot change the user of its workers.
return if $>;
my $gid = (getpwnam 'nobody')[3];
my $group = getgrgid $gid;
configure(qr/^user .*;/m, '') if Running::read_configuration() =~ /^user /m;
configure(qr/^events/m, "user nobody $group;\nevents");
chmod 0755, $folder;
my $said = tested();
holds($said =~ /\[warn\] .*"session_sticky_control" will not be able to write "[^"]*\/state": its directory is not writable by user "nobody"/,
    'the folder') or print "# $said";
holds($said =~ /test is successful/, 'the configuration is valid');
chown 0, $gid, "$folder";
holds(tested() =~ /will not be able/, 'its group cannot write either');
chmod 0775, $folder;
holds(tested() !~ /will not be able/, 'the group can write');
chown 0, 0, "$folder";
holds(tested() =~ /will not be able/, 'another group cannot');
chmod 0777, $folder;
holds(tested() !~ /will not be able/, 'any user can write');
chmod 01777, $folder;
now('u', 'A', 'drain');
holds(tested() =~ /will not be able/, "but not replace another user's file in a sticky directory");
chmod 0777, $folder;
configure(qr/state=\S+\/state/, "state=$folder/none/state");
$said = tested();
holds($said =~ /\[warn\] .*will not be able to write "[^"]*\/none\/state": its directory: No such file/, 'a missing folder') or print "# $said";
--- no_error_log
[alert]
[crit]



=== a relative path is relative to the prefix
--- state
state=html/state
--- client
chmod 0777, "$Test::Nginx::Util::ServRoot/html";
now('u', 'A', 'drain');
holds(-f "$Test::Nginx::Util::ServRoot/html/state", 'the file exists');



=== states requested by servers are not written
--- upstreams
upstream u { server A:; server B:; server C:; session_sticky drain_if=$arg_drain; }
--- client
equals(body(visit('/u/?drain=1', "route=$id{A}", 1983)), 'A', 'A asks to drain');
equals(state_file(), 'none', 'there is no file');
now('u', 'B', 'drain');
equals(entries(), 'drain 0 u 127.0.0.1:1986', 'the state set by control is written, but not that of A');
my $written = (stat "$folder/state")[1];
visit('/u/', "route=$id{A}", 1983);
equals(body(visit('/u/?drain=1', "route=$id{C}", 1983)), 'C', 'C asks to drain, A no longer does');
everywhere('/u/?drain=', "route=$id{B}");
equals((stat "$folder/state")[1], $written, 'nothing is written');
holds(restart(), 'nginx is restarted');
holds(!defined shown('u', 'C')->{asked_until}, 'no server asks to drain');
equals(shown('u', 'B')->{state}, 'draining', 'the state set by control is kept');



=== the reload that enables control reads the file, even if servers could ask to drain before
--- upstreams
upstream u { server A:; server B:; server C:; session_sticky drain_if=$arg_drain; }
--- file
session_sticky_control 1
down 0 u 127.0.0.1:1986
end 1
--- state
--- client
now('u', 'C', 'drain');
configure(qr/session_sticky_control on *;/, 'session_sticky_control off;');
holds(reload(), 'nginx is reloaded without control');
visit('/u/?drain=1', "route=$id{A}", 1983);
equals(shown('u', 'B')->{state}, 'up', 'the file was not read');
configure(qr/session_sticky_control off;/, "session_sticky_control on state=$folder/state;");
holds(reload(), 'nginx is reloaded with control and a file');
equals(shown('u', 'B')->{state}, 'down', 'the state of the file applies');
equals(shown('u', 'C')->{state}, 'up', 'earlier states no longer apply');
holds(defined shown('u', 'A')->{asked_until}, 'A still asks to drain');
