# follow: a response that sets the application's cookie several times. Browsers keep one of each domain and path, and of
# several of one domain and path the last: so it is with ours.
#
# lib/SettingServers.pm has the servers.

use Sticky qw(SettingServers);

client_sections();
setting_sections('follow=sid');

# A line of "ours" is a Cookie field, and our fields in the response to it, which stand behind those of the application.
add_block_preprocessor(sub {
    my ($block) = @_;
    my @set = split /\n/, $block->set_cookie // '';
    my @lines = split /\n/, $block->ours;
    $block->set_value(client => sub {
        for my $line (@lines) {
            my ($cookie, $ours) = split / => ?/, $line, 2;
            my @ours = split /\|/, $ours =~ s/GONE/Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:01 GMT/gr;
            equals(set(visit('/t/', $cookie)), join('|', @set, @ours), $line);
        }
    });
});

run_tests();

__DATA__

=== one of a path is deleted, one of another is set
--- set_cookie
sid=; Path=/old; Max-Age=0
sid=1; Path=/
--- ours
route=ID_A => route=; Path=/old; GONE|route=ID_B; Path=/
sid=1; route=ID_B => route=; Path=/old; GONE|route=ID_B; Path=/



=== of one path the last counts
--- set_cookie
sid=1; Path=/; Secure
sid=; Path=/; Max-Age=0
--- ours
sid=1; route=ID_B => route=; Path=/; GONE



=== the other way round
--- set_cookie
sid=; Path=/; Max-Age=0
sid=1; Path=/; Secure
--- ours
sid=1; route=ID_B => route=ID_B; Path=/; Secure



=== domains are compared in any case, and without the dot
--- set_cookie
sid=1; Domain=a.test; Max-Age=1
sid=2; Domain=.A.TEST; Max-Age=2
sid=3; Max-Age=3
sid=4; Domain=b.test; Max-Age=4
--- ours
sid=1; route=ID_B => route=ID_B; Domain=.A.TEST; Max-Age=2|route=ID_B; Max-Age=3|route=ID_B; Domain=b.test; Max-Age=4



=== where ours has one path and domain only, by the directive, a live one counts
--- sticky: follow=sid path=/ domain=a.test
--- set_cookie
sid=1; Path=/app; Max-Age=60
sid=; Path=/; Max-Age=0
sid=; Path=/old; Domain=a.test; Max-Age=0
--- ours
sid=1; route=ID_B => route=ID_B; Domain=a.test; Path=/; Max-Age=60



=== and if none is live, ours is deleted once
--- sticky: follow=sid path=/ domain=a.test
--- set_cookie
sid=; Path=/app; Max-Age=0
sid=; Path=/; Max-Age=0
--- ours
sid=1; route=ID_B => route=; Domain=a.test; Path=/; GONE



=== several names of one beginning: a live one counts in each place
--- sticky: follow=in_*
--- set_cookie
in_1=x; Path=/
in_2=; Path=/
in_1=; Path=/admin
in_2=; Path=/admin
--- ours
in_1=x; in_2=x; route=ID_B => route=; Path=/admin; GONE|route=ID_B; Path=/



=== one is deleted in a folder that the request is not in: the session goes on, and ours is set if it is missing
--- set_cookie
sid=; Path=/old; Max-Age=0
--- ours
sid=1; route=ID_B => route=; Path=/old; GONE
sid=1 => route=ID_B; Path=/|route=; Path=/old; GONE
sid=1; route=x => route=ID_A; Path=/|route=; Path=/old; GONE
route=ID_B => route=; Path=/old; GONE



=== and where ours has one path, it stays
--- sticky: follow=sid path=/
--- set_cookie
sid=; Path=/old; Max-Age=0
--- ours
sid=1; route=ID_B =>
sid=1 => route=ID_B; Path=/
route=ID_B => route=; Path=/; GONE



=== one of two that the request has is deleted: the other session goes on
--- set_cookie
sid=; Path=/t; Max-Age=0
--- ours
sid=1; sid=2; route=ID_B => route=; Path=/t; GONE
sid=1; sid=2 => route=ID_B; Path=/|route=; Path=/t; GONE
sid=1; route=ID_B => route=; Path=/t; GONE



=== and where ours has one path, it stays
--- sticky: follow=sid path=/
--- set_cookie
sid=; Path=/t; Max-Age=0
--- ours
sid=1; sid=2; route=ID_B =>
sid=1; sid=; route=ID_B => route=; Path=/; GONE



=== one takes the place of another, from which Partitioned keeps it apart: ours cannot be told apart, and is set
--- sticky: follow=sid secure=auto
--- set_cookie
sid=1; Path=/; Secure; SameSite=None; Partitioned
sid=; Path=/; Max-Age=0
--- ours
sid=1; route=ID_B => route=; Path=/; GONE|route=ID_B; Path=/



=== one is set behind many that are deleted
--- set_cookie eval
CORE::join "\n", (map { "sid=; Path=/p$_; Max-Age=0" } 1 .. 8), 'sid=1; Path=/'
--- ours
route=x => route=; Path=/p2; GONE|route=; Path=/p3; GONE|route=; Path=/p4; GONE|route=; Path=/p5; GONE|route=; Path=/p6; GONE|route=; Path=/p7; GONE|route=; Path=/p8; GONE|route=ID_B; Path=/



=== no more than eight are looked at, and of one path as many as there are
--- set_cookie eval
CORE::join "\n", (map { "sid=; Path=/p$_; Max-Age=0" } 1 .. 7), (map { "sid=$_; Path=/" } 1 .. 50), (map { "sid=; Path=/q$_; Max-Age=0" } 1 .. 50)
--- ours
sid=1; route=ID_B => route=; Path=/p1; GONE|route=; Path=/p2; GONE|route=; Path=/p3; GONE|route=; Path=/p4; GONE|route=; Path=/p5; GONE|route=; Path=/p6; GONE|route=; Path=/p7; GONE|route=ID_B; Path=/
