# docs/guides/php-fpm.md: its two files and commands. A and B are PHP-FPM or web servers; /login.php begins a session.

use Sticky qw(Guides Protocols RawServers);
use Digest::MD5 'md5_hex';

# As defined in lib/Servers.pm.
%port = (A => 1985, B => 1986, C => 1987);
our $page = 'docs/guides/php-fpm.md';

# PHP-FPM, for the first file.
our $sets = 'PHPSESSID=s3cr3t; path=/';
sub fpm {
    my ($name, $bytes) = @_;
    my $variables = Protocols::fastcgi($bytes) or return;
    my ($script) = ($variables->{SCRIPT_FILENAME} // '') =~ m{/public(/.*)$};
    my $cookie = $script eq '/login.php' ? "Set-Cookie: $sets\r\n" : '';
    my $text = "Content-Type: text/plain\r\n$cookie\r\n$name $script";
    return pack('CCnnCx', 1, 6, 1, length $text, 0) . $text . pack('CCnnCx', 1, 6, 1, 0, 0) . pack('CCnnCxNCx3', 1, 3, 1, 8, 0, 0, 0);
}

raw_servers({FA => 1991, FB => 1992}, sub { my ($name, $bytes) = @_; return fpm(substr($name, 1), $bytes) });
scripts(qw(index.php login.php));
guide_sections($page, servers(qq[location / { return 200 "NAME"; }\nlocation /login.php { add_header Set-Cookie "$sets"; return 200 "NAME"; }\n], qw(A B)));

sub at { my ($path, $cookie) = @_; return visit($path, $cookie, 1983) }

run_tests();

__DATA__

=== FastCGI: the commands
--- client
follow_transcript((transcripts($page))[0]);



=== FastCGI: the front controller, and missing files
--- client
for my $name (qw(A B)) {
    my $cookie = "PHPSESSID=s3cr3t; route=${\ md5_hex('127.0.0.1:' . ($name eq 'A' ? 1991 : 1992))}";
    equals(body(at('/shop/1?a=b', $cookie)), "$name /index.php", "a page of $name");
}
equals(status(at('/missing.php')), '404', 'no such script');
equals(set(at('/index.php')), '', 'no session, no cookie');



=== web servers: the session
--- file: 1
--- client
my $login = at('/login.php');
my ($route) = set($login) =~ /route=([^;]+)/;
equals(body($login), $route eq id('A') ? 'A' : 'B', 'the cookie is that of the server');
equals(join('', map { body(at('/', "PHPSESSID=s3cr3t; route=$route")) } 1 .. 3), body($login) x 3, 'where the session stays');
equals(set(at('/')), '', 'no session, no cookie');
